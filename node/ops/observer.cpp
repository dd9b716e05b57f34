// SPDX-License-Identifier: Apache-2.0
#include "node/ops/observer.hpp"

#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "node/net/clock.hpp"
#include "node/net/sockets.hpp"
#include "node/ops/http_server.hpp"
#include "node/ops/inquiry.hpp"
#include "node/ops/metrics.hpp"
#include "node/ops/rate_meter.hpp"
#include "node/ops/status_record.hpp"
#include "node/ops/status_socket.hpp"

namespace lodestone::node {
namespace {

constexpr wire::Duration kRatesEvery = std::chrono::seconds(1);

/// How fast the nodes are asked and answer; on the network thread.
class Pace {
 public:
  void update(wire::Instant now, const DhtStatus& dht) {
    meters_.resize(dht.nodes.size());
    for (std::size_t i = 0; i < meters_.size(); ++i) {
      meters_[i].queries.update(now, dht.nodes[i].counters.queries_in);
      meters_[i].replies.update(now, dht.nodes[i].counters.replies_out);
    }
  }
  [[nodiscard]] std::vector<NodeRates> rates() const {
    std::vector<NodeRates> rates;
    for (const Meters& m : meters_) rates.push_back({m.queries.per_second(), m.replies.per_second()});
    return rates;
  }

 private:
  struct Meters {
    RateMeter queries, replies;
  };
  std::vector<Meters> meters_;
};

struct Seen {
  DhtStatus dht;
  std::vector<NodeRates> rates;
};

/// One listening socket with its thread, and how that thread looks.
class Window {
 public:
  Window(Runtime& runtime, std::function<Seen()> look, NodeFacts facts, UniqueFd listening, bool with_status)
      : facts_(std::move(facts)), inquiry_(runtime, std::move(look)) {
    std::vector<HttpPage> pages = {{"/metrics", [this] { return metrics(); }},
                                   {"/healthz", [this] { return health(); }},
                                   {"/readyz", [this] { return readiness(); }}};
    if (with_status) pages.push_back({"/status", [this] { return status(); }});
    server_.emplace(std::move(listening), std::move(pages));
  }
  ~Window() {
    inquiry_.close();  // who makes a page this moment shall not wait for the thread that waits for him here
    server_.reset();
  }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

 private:
  std::optional<NodeReport> report() {
    const wire::Instant asked = clock_now();
    auto seen = inquiry_.ask(Observer::kReaction);
    if (!seen) return std::nullopt;
    const wire::Instant now = clock_now();
    return NodeReport{.facts = facts_,
                      .dht = std::move(seen->dht),
                      .rates = std::move(seen->rates),
                      .uptime = now - process_start(),
                      .reaction = now - asked,
                      .process = process_stats()};
  }

  static HttpReply no_reaction() {
    return {503, fmt::format("the network thread has not reacted for {:g} s\n", wire::to_seconds(Observer::kReaction))};
  }

  HttpReply metrics() {
    const auto seen = report();
    return seen ? HttpReply{200, metrics_text(*seen), kMetricsType} : no_reaction();
  }
  HttpReply health() { return inquiry_.ask(Observer::kReaction) ? HttpReply{200, "ok\n"} : no_reaction(); }
  HttpReply readiness() {
    const auto seen = inquiry_.ask(Observer::kReaction);
    if (!seen) return no_reaction();
    const auto reason = not_ready(seen->dht);
    return reason ? HttpReply{503, *reason + "\n"} : HttpReply{200, "ready\n"};
  }
  HttpReply status() {
    const auto seen = report();
    return seen ? HttpReply{200, status_record(*seen) + "\n", "application/json"} : no_reaction();
  }

  const NodeFacts facts_;
  Inquiry<Seen> inquiry_;
  std::optional<HttpServer> server_;
};

}  // namespace

struct Observer::Impl {
  Impl(Runtime& r, const Session& s, NodeFacts f)
      : runtime(r), session(s), facts(std::move(f)), pace(std::make_shared<Pace>()) {
    runtime.every(kRatesEvery, [this, alive = std::weak_ptr(pace)] {
      if (alive.expired()) return false;
      pace->update(runtime.now(), session.dht_status());
      return true;
    });
  }

  std::unique_ptr<Window> open(UniqueFd listening, bool with_status) {
    return std::make_unique<Window>(
        runtime, [this] { return Seen{session.dht_status(), pace->rates()}; }, facts, std::move(listening),
        with_status);
  }

  Runtime& runtime;
  const Session& session;
  NodeFacts facts;
  std::shared_ptr<Pace> pace;
  std::optional<StatusSocket> socket;
  std::unique_ptr<Window> metrics, status;
};

Observer::Observer(Runtime& runtime, const Session& session, NodeFacts facts)
    : impl_(std::make_unique<Impl>(runtime, session, std::move(facts))) {}
Observer::~Observer() = default;

void Observer::serve_metrics(UniqueFd listening) { impl_->metrics = impl_->open(std::move(listening), false); }

std::error_code Observer::serve_status() {
  auto made = StatusSocket::make(impl_->facts.state_dir);
  if (!made) return made.error();
  impl_->socket.emplace(*std::move(made));
  impl_->status = impl_->open(impl_->socket->take(), true);
  return {};
}

std::expected<MetricsPort, std::error_code> bind_metrics(const wire::Endpoint& where) {
  auto listening = listen_tcp(where);
  if (!listening) return std::unexpected(listening.error());
  const wire::Endpoint local = local_endpoint(listening->fd()).value_or(where);
  return MetricsPort{*std::move(listening), local};
}

}  // namespace lodestone::node
