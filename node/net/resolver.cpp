// SPDX-License-Identifier: Apache-2.0
#include "node/net/resolver.hpp"

#include <netdb.h>

#include <algorithm>
#include <deque>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "node/net/sockets.hpp"

namespace lodestone::node {
namespace {

constexpr int kMaxHelpers = 6;  // one slow name does not delay the others

std::vector<wire::Endpoint> ask_system(const magnet::HostPort& name) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;  // one entry per address, not one per protocol
  addrinfo* list = nullptr;
  std::vector<wire::Endpoint> found;
  if (::getaddrinfo(name.host.c_str(), nullptr, &hints, &list) != 0) return found;
  for (const addrinfo* i = list; i != nullptr; i = i->ai_next) {
    sockaddr_storage address{};
    if (i->ai_addrlen > sizeof(address)) continue;
    std::copy_n(reinterpret_cast<const char*>(i->ai_addr), i->ai_addrlen, reinterpret_cast<char*>(&address));
    auto endpoint = from_sockaddr(address);
    if (!endpoint) continue;
    endpoint->port = name.port;
    if (std::find(found.begin(), found.end(), *endpoint) == found.end()) found.push_back(*endpoint);
  }
  ::freeaddrinfo(list);
  return found;
}

}  // namespace

struct Resolver::Shared {
  struct Request {
    magnet::HostPort name;
    Done done;
  };

  std::mutex mutex;  // guards everything below
  Post post;         // empty: the Resolver is gone
  std::deque<Request> queue;
  int helpers = 0;

  /// A helper works until the queue is empty.
  static void help(const std::shared_ptr<Shared>& shared) {
    std::unique_lock lock(shared->mutex);
    while (!shared->queue.empty() && shared->post) {
      Request request = std::move(shared->queue.front());
      shared->queue.pop_front();
      lock.unlock();
      std::vector<wire::Endpoint> found = ask_system(request.name);
      lock.lock();
      shared->deliver(shared, std::move(request.done), std::move(found));
    }
    --shared->helpers;
  }

  /// With the mutex held.
  void deliver(const std::shared_ptr<Shared>& self, Done done, std::vector<wire::Endpoint> found) {
    if (!post) return;
    post([self, done = std::move(done), found = std::move(found)]() mutable {
      {
        const std::lock_guard lock(self->mutex);
        if (!self->post) return;
      }
      done(std::move(found));
    });
  }
};

Resolver::Resolver(Post post) : shared_(std::make_shared<Shared>()) { shared_->post = std::move(post); }

Resolver::~Resolver() {
  const std::lock_guard lock(shared_->mutex);
  shared_->post = nullptr;
  shared_->queue.clear();
}

void Resolver::resolve(const magnet::HostPort& name, Done done) {
  const std::lock_guard lock(shared_->mutex);
  if (auto known = numeric_endpoints(name)) {
    shared_->deliver(shared_, std::move(done), *std::move(known));
    return;
  }
  shared_->queue.push_back({name, std::move(done)});
  if (shared_->helpers == kMaxHelpers) return;
  try {
    std::thread([shared = shared_] { Shared::help(shared); }).detach();
    ++shared_->helpers;
  } catch (const std::system_error&) {
    // No thread to be had: a helper that runs already takes the request; without any it is answered with nothing.
    if (shared_->helpers > 0) return;
    Shared::Request request = std::move(shared_->queue.back());
    shared_->queue.pop_back();
    shared_->deliver(shared_, std::move(request.done), {});
  }
}

std::optional<std::vector<wire::Endpoint>> numeric_endpoints(const magnet::HostPort& name) {
  std::string_view host = name.host;
  if (host == "localhost") {
    return std::vector{wire::Endpoint{wire::Address::v4(127, 0, 0, 1), name.port},
                       wire::Endpoint{*wire::Address::parse("::1"), name.port}};
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (const auto address = wire::Address::parse(host)) return std::vector{wire::Endpoint{*address, name.port}};
  return std::nullopt;
}

}  // namespace lodestone::node
