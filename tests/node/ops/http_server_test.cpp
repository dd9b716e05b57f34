// SPDX-License-Identifier: Apache-2.0
#include "node/ops/http_server.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch.hpp>

#include "node/net/sockets.hpp"
#include "node/ops/state_dir.hpp"
#include "node/ops/status_socket.hpp"

namespace lodestone::node {
namespace {

/// A server with one page, and how to talk to it as nobody's library would.
class Site {
 public:
  Site() {
    auto listening = listen_tcp(*wire::Endpoint::parse("127.0.0.1:0"));
    REQUIRE(listening);
    where_ = *local_endpoint(listening->fd());
    server_.emplace(*std::move(listening),
                    std::vector<HttpPage>{{"/page", [] { return HttpReply{200, "a page\n", "text/plain"}; }},
                                          {"/sick", [] { return HttpReply{503, "it is ill\n", "text/plain"}; }}});
  }

  [[nodiscard]] UniqueFd connect() const {
    UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_storage address;
    const socklen_t size = to_sockaddr(where_, address);
    REQUIRE(::connect(fd.fd(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    const timeval limit{.tv_sec = 20, .tv_usec = 0};  // who waits in vain fails and does not hang
    REQUIRE(::setsockopt(fd.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    return fd;
  }
  [[nodiscard]] std::string ask(const std::string& request) const {
    const UniqueFd fd = connect();
    say(fd, request);
    return rest(fd);
  }
  static void say(const UniqueFd& fd, const std::string& text) {
    REQUIRE(::send(fd.fd(), text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
  }
  /// All that comes until the server closes.
  static std::string rest(const UniqueFd& fd) {
    std::string all;
    std::array<char, 4'096> buffer;
    for (;;) {
      const ssize_t n = ::recv(fd.fd(), buffer.data(), buffer.size(), 0);
      if (n <= 0) return n == 0 ? all : all + "(broken off)";
      all.append(buffer.data(), static_cast<std::size_t>(n));
    }
  }

 private:
  wire::Endpoint where_;
  std::optional<HttpServer> server_;
};

}  // namespace

TEST_CASE("a page is served, whole or in crumbs, and its head alone to who asks for that") {
  const Site site;
  const std::string get = site.ask("GET /page HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(get.starts_with("HTTP/1.1 200 "));
  CHECK(get.ends_with("\r\n\r\na page\n"));
  const UniqueFd fd = site.connect();
  for (const char c : std::string("GET /page HTTP/1.0\r\n\r\n")) Site::say(fd, std::string(1, c));
  CHECK(Site::rest(fd).ends_with("\r\n\r\na page\n"));
  const std::string head = site.ask("HEAD /page HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(head.starts_with("HTTP/1.1 200 "));
  CHECK(head.find("Content-Length: 7\r\n") != std::string::npos);
  CHECK(head.ends_with("\r\n\r\n"));
  CHECK(site.ask("GET /sick HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 503 "));
}

TEST_CASE("what is no GET of a page is refused") {
  const Site site;
  CHECK(site.ask("GET /other HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
  CHECK(site.ask("POST /page HTTP/1.1\r\nContent-Length: 0\r\n\r\n").starts_with("HTTP/1.1 405 "));
  CHECK(site.ask("DELETE /page HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
  CHECK(site.ask("\x16\x03\x01\r\n\r\n").starts_with("HTTP/1.1 400 "));
  // A long request ends where the limit is; it may be broken off, because what it goes on to say is not read.
  const std::string huge = site.ask("GET /page HTTP/1.1\r\nX: " + std::string(HttpServer::kMaxHead, 'x'));
  CHECK((huge.starts_with("HTTP/1.1 431 ") || huge == "(broken off)"));
  CHECK(site.ask("GET /page HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

TEST_CASE("nobody gets a page a thousand times over by asking for parts of it") {
  const Site site;
  std::string ranges = "bytes=0-";
  while (ranges.size() < 3'000) ranges += ",0-";
  const std::string reply = site.ask("GET /page HTTP/1.1\r\nRange: " + ranges + "\r\n\r\n");
  CHECK(reply.size() < 1'000);
}

TEST_CASE("who opens all connections and says nothing is shown out, and others get their page") {
  const Site site;
  std::vector<UniqueFd> idle;
  for (std::size_t i = 0; i < HttpServer::kConnections; ++i) idle.push_back(site.connect());
  // Waits in the queue until the idle ones' time is up.
  CHECK(site.ask("GET /page HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
  for (const UniqueFd& fd : idle) CHECK(Site::rest(fd).empty());
}

TEST_CASE("a server ends while clients are connected") {
  std::optional<Site> site;
  site.emplace();
  const UniqueFd idle = site->connect();
  site.reset();
  CHECK(Site::rest(idle).find("HTTP") == std::string::npos);
}

TEST_CASE(
    "the status socket is for its user alone, and works in a folder whose path is longer than a socket's may be") {
  const TemporaryDir home;
  std::string folder = home.path();
  for (int i = 0; i < 4; ++i) folder += "/" + std::string(60, 'x');
  std::filesystem::create_directories(folder);
  const std::string name = folder + "/node.sock";
  CHECK_FALSE(ask_node(folder, "/page"));
  std::ofstream(name) << "what a killed node has left there";
  {
    auto socket = StatusSocket::make(folder);
    REQUIRE(socket);
    struct stat info{};
    REQUIRE(::stat(name.c_str(), &info) == 0);
    CHECK(S_ISSOCK(info.st_mode));
    CHECK((info.st_mode & 0777) == 0600);
    const HttpServer server(socket->take(), {{"/page", [] { return HttpReply{200, "a page\n"}; }},
                                             {"/sick", [] { return HttpReply{503, "it is ill\n"}; }}});
    CHECK(ask_node(folder, "/page") == "a page");
    const auto sick = ask_node(folder, "/sick");
    REQUIRE_FALSE(sick);
    CHECK(sick.error() == "it is ill");
  }
  CHECK(::access(name.c_str(), F_OK) != 0);
  CHECK_FALSE(ask_node(folder, "/page"));
  CHECK_FALSE(StatusSocket::make(folder + "/nowhere"));
}

}  // namespace lodestone::node
