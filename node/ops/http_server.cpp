// SPDX-License-Identifier: Apache-2.0
#include "node/ops/http_server.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <exception>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include <httplib.h>

#include "node/net/clock.hpp"
#include "node/ops/log.hpp"

namespace lodestone::node {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr wire::Duration kAcceptAgain = std::chrono::seconds(1);  // when there were no descriptors left

/// What cpp-httplib takes for the connection: a request that is complete, and room for the reply.
class MemoryStream final : public httplib::Stream {
 public:
  explicit MemoryStream(std::string_view request) : request_(request) {}

  bool is_readable() const override { return !request_.empty(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, std::size_t size) override {
    const std::size_t n = request_.copy(to, size);
    request_.remove_prefix(n);
    return static_cast<ssize_t>(n);
  }
  ssize_t write(const char* from, std::size_t size) override {
    reply_.append(from, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return -1; }

  [[nodiscard]] std::string take_reply() { return std::move(reply_); }

 private:
  std::string_view request_;
  std::string reply_;
};

/// cpp-httplib's server without its sockets and threads.
class HttpPages : httplib::Server {
 public:
  explicit HttpPages(const std::vector<HttpPage>& pages) {
    set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
      if (request.method == "GET" || request.method == "HEAD") return HandlerResponse::Unhandled;
      response.status = 405;
      response.set_header("Allow", "GET, HEAD");
      return HandlerResponse::Handled;
    });
    for (const HttpPage& page : pages) {
      Get(page.path, [make = page.make](const httplib::Request&, httplib::Response& response) {
        const HttpReply reply = make();
        response.status = reply.status;
        response.set_content(reply.body, reply.type);
      });
    }
  }

  /// Empty: there is nothing to say to that.
  [[nodiscard]] std::string answer(std::string_view request) {
    MemoryStream stream(request);
    bool closed = false;
    try {
      process_request(stream, true, closed, [](httplib::Request& r) {
        // Nobody needs parts of a page, which may be asked for a thousand times over, nor what compressing it costs.
        r.ranges.clear();
        r.headers.erase("Accept-Encoding");
      });
    } catch (const std::exception& error) {  // the request was too much for it; the next one need not be
      log::warn("an HTTP request was not answered: {}", error.what());
      return {};
    }
    return stream.take_reply();
  }
};

struct Connection {
  UniqueFd fd;
  wire::Instant deadline;
  std::string request = {};
  std::string reply = {};  // not empty: being sent
  std::size_t sent = 0;
  bool over = false;
};

bool again() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

void send_more(Connection& c) {
  while (c.sent < c.reply.size()) {
    const ssize_t n = ::send(c.fd.fd(), c.reply.data() + c.sent, c.reply.size() - c.sent, MSG_NOSIGNAL);
    if (n < 0) {
      c.over = !again();
      return;
    }
    c.sent += static_cast<std::size_t>(n);
  }
  c.over = true;
}

void read_more(Connection& c, HttpPages& pages) {
  std::array<char, HttpServer::kMaxHead> buffer;
  const ssize_t n = ::recv(c.fd.fd(), buffer.data(), buffer.size(), 0);
  if (n <= 0) {
    c.over = n == 0 || !again();
    return;
  }
  c.request.append(buffer.data(), static_cast<std::size_t>(n));
  const std::size_t end = c.request.find(kHeadEnd);
  if (end != std::string::npos && end + kHeadEnd.size() <= HttpServer::kMaxHead) {
    c.reply = pages.answer(std::string_view(c.request).substr(0, end + kHeadEnd.size()));
    c.over = c.reply.empty();
    // A page may have taken longer than the client had left; sending has its own time.
    c.deadline = clock_now() + HttpServer::kPatience;
  } else if (c.request.size() >= HttpServer::kMaxHead) {
    c.reply = "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
  }
  if (!c.reply.empty()) send_more(c);
}

}  // namespace

struct HttpServer::State {
  State(UniqueFd fd, const std::vector<HttpPage>& list)
      : listening(std::move(fd)), stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), pages(list) {}

  void serve();
  void take_connections();
  [[nodiscard]] int wait_ms(wire::Instant now) const;
  [[nodiscard]] bool accepting(wire::Instant now) const {
    return connections.size() < kConnections && now >= accept_again;
  }

  UniqueFd listening;
  UniqueFd stop;  // readable: it is over
  HttpPages pages;
  std::vector<Connection> connections;
  wire::Instant accept_again = wire::Instant::min();
  std::thread thread;
};

/// Until whichever connection runs out of time next; with none of them for ever.
int HttpServer::State::wait_ms(wire::Instant now) const {
  std::optional<wire::Instant> next;
  for (const Connection& c : connections) next = std::min(next.value_or(c.deadline), c.deadline);
  if (accept_again > now) next = std::min(next.value_or(accept_again), accept_again);
  if (!next) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(std::max(*next - now, wire::Duration::zero()));
  return static_cast<int>(left.count());
}

void HttpServer::State::serve() {
  std::vector<pollfd> watched;
  for (;;) {
    wire::Instant now = clock_now();
    watched.assign({{stop.fd(), POLLIN, 0}, {accepting(now) ? listening.fd() : -1, POLLIN, 0}});
    for (const Connection& c : connections)
      watched.push_back({c.fd.fd(), static_cast<short>(c.reply.empty() ? POLLIN : POLLOUT), 0});
    if (::poll(watched.data(), watched.size(), wait_ms(now)) < 0 && errno != EINTR) return;
    if (watched[0].revents != 0) return;
    for (std::size_t i = 0; i < connections.size(); ++i) {
      Connection& c = connections[i];
      if (watched[i + 2].revents == 0) continue;
      if (c.reply.empty()) {
        read_more(c, pages);
      } else {
        send_more(c);
      }
    }
    now = clock_now();
    std::erase_if(connections, [now](const Connection& c) { return c.over || now >= c.deadline; });
    if (watched[1].revents != 0) take_connections();
  }
}

void HttpServer::State::take_connections() {
  while (connections.size() < kConnections) {
    UniqueFd fd{::accept4(listening.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (fd) {
      connections.push_back({.fd = std::move(fd), .deadline = clock_now() + kPatience});
      continue;
    }
    if (again()) return;
    if (errno == ECONNABORTED) continue;
    // It stays readable: asking at once would go round in circles.
    accept_again = clock_now() + kAcceptAgain;
    return;
  }
}

HttpServer::HttpServer(UniqueFd listening, std::vector<HttpPage> pages)
    : state_(std::make_unique<State>(std::move(listening), pages)) {
  state_->thread = std::thread([state = state_.get()] { state->serve(); });
}

HttpServer::~HttpServer() {
  if (::eventfd_write(state_->stop.fd(), 1) != 0) log::warn("an HTTP server could not be told to stop");
  state_->thread.join();
}

}  // namespace lodestone::node
