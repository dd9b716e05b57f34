// SPDX-License-Identifier: Apache-2.0
// A DHT node that does not play by the rules. It walks the network and asks, so that honest nodes notice it, and
// behaves badly when it is asked itself.
//
//   silent    never answers
//   wrong_id  answers every query under another id
//   liar      answers with nodes that do not exist, right at whatever target it is asked for
//   misnamer  answers with nodes that do exist, under ids right at whatever target it is asked for
//   sybil     has chosen its id for a place next to a hash, takes announces, gives nothing out, and names its fellows
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "dht/krpc.hpp"
#include "tools/sim/world.hpp"

namespace lodestone::tools::sim {

enum class Misbehaviour : std::uint8_t { silent, wrong_id, liar, misnamer, sybil };

class HostileNode {
 public:
  static constexpr Duration kAskEvery = std::chrono::milliseconds(500);

  HostileNode(World& world, HostId host, Misbehaviour kind, const Endpoint& introducer,
              std::optional<wire::NodeId> id = std::nullopt);
  ~HostileNode();
  HostileNode(const HostileNode&) = delete;
  HostileNode& operator=(const HostileNode&) = delete;

  [[nodiscard]] const Endpoint& local() const { return local_; }
  [[nodiscard]] const wire::NodeId& id() const { return id_; }
  /// Whom a sybil names.
  void set_fellows(std::vector<dht::Contact> fellows) { fellows_ = std::move(fellows); }
  [[nodiscard]] std::uint64_t asked() const { return asked_; }  // queries that came in

 private:
  void on_datagram(const Endpoint& from, Bytes bytes);
  void answer(const Endpoint& from, Bytes transaction, const dht::krpc::Query& query);
  void ask_somebody();

  World& world_;
  HostId host_;
  Misbehaviour kind_;
  Endpoint local_;
  wire::Rng rng_;
  wire::NodeId id_;
  std::vector<Endpoint> known_;
  std::vector<dht::Contact> fellows_;
  dht::krpc::Decoder decoder_;
  std::uint64_t asked_ = 0;
  std::uint32_t transaction_ = 0;
  Timer timer_;
};

}  // namespace lodestone::tools::sim
