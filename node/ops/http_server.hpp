// SPDX-License-Identifier: Apache-2.0
// Answers GET and HEAD on one listening socket, TCP or Unix, from a thread of its own: what an operator's tools ask
// for. cpp-httplib reads the requests and writes the replies; sockets and time are ours, so that no client costs more
// than it may: kConnections at a time, one request each of at most kMaxHead bytes, kPatience to ask and as long to take
// the reply. Who comes when all places are taken waits in the kernel's queue. Pages are made on the server's thread,
// one at a time; they must not wait for long. Made and destroyed by the network thread (or before it runs); its
// destruction waits for a page that is being made.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "node/net/fd.hpp"
#include "wire/base/time.hpp"

namespace lodestone::node {

struct HttpReply {
  int status = 200;
  std::string body;
  std::string type = "text/plain; charset=utf-8";
};

struct HttpPage {
  std::string path;  // "/metrics"
  std::function<HttpReply()> make;
};

class HttpServer {
 public:
  static constexpr std::size_t kConnections = 16;
  static constexpr std::size_t kMaxHead = 4'096;  // bytes of request line and headers; there is no body
  static constexpr wire::Duration kPatience = std::chrono::seconds(5);

  /// `listening` from listen_tcp() or listen_unix().
  HttpServer(UniqueFd listening, std::vector<HttpPage> pages);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lodestone::node
