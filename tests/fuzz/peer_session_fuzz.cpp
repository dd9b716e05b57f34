// SPDX-License-Identifier: Apache-2.0
// A peer that says anything. Bytes 0 and 1 of the input choose: who dialled, the torrent, a foreknown handshake,
// whether we have asked for blocks. Bytes 2 and 3 say at which byte of the stream the geometry becomes known. The rest
// is the stream. It is fed whole, byte by byte and in chunks of every size: the events and the error must be the same,
// and no block may be left behind (P3).
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "tests/wire/peer/peer_stream.hpp"
#include "wire/base/rng.hpp"
#include "wire/peer/peer_connection.hpp"

namespace {

using namespace lodestone::test;

void demand(bool holds) {
  if (!holds) std::abort();
}

constexpr std::size_t kHead = 4;

struct Plan {
  bool incoming, handshaken, fast, extended, asks;
  std::optional<Geometry> geometry;
  std::size_t geometry_at;
};

Plan plan_of(const std::uint8_t* data) {
  static constexpr std::array<std::pair<std::uint64_t, std::uint64_t>, 4> kTorrents{
      {{10 * 40'960 - 20'960, 40'960}, {1'000, 100}, {9 * 16'384 + 1, 16'384}, {200'000'000, 262'144}}};
  const auto [total, piece] = kTorrents[data[1] & 3];
  Plan p;
  p.incoming = (data[0] & 1) != 0;
  p.handshaken = (data[0] & 2) != 0;
  p.fast = (data[0] & 4) != 0;
  p.extended = (data[0] & 8) != 0;
  p.asks = (data[0] & 16) != 0;
  p.geometry = *Geometry::make(total, piece);
  p.geometry_at = load_be16(data + 2);
  return p;
}

/// Says a few things, so that answering is part of the session. At a byte of the stream that does not depend on the
/// cut: what is sent depends on what has come.
void speak(Client& c, bool asks) {
  if (!c.connection.ready() || c.error) return;
  if (asks) {
    c.connection.send(peer_message::Interested{});
    c.connection.send(peer_message::Request{{PieceIndex{0}, 0, 100}});
  }
  c.connection.send(peer_message::Metadata{{UtMetadata::Type::request, 0, 0, {}}});
  c.connection.send(peer_message::Pex{});
  c.connection.send(peer_message::Reject{{PieceIndex{0}, 0, 100}});
}

enum class Cut { whole, bytes, chunks };

Lines run(const Plan& plan, Bytes stream, Cut cut) {
  Client c = plan.incoming ? Client::accepted(64) : Client::dialled(64);
  Rng rng = Rng::from_number(stream.size());
  std::size_t at = 0;
  bool known = false;
  while (!c.error) {
    if (!known && at == plan.geometry_at) {
      known = true;
      c.set_geometry(*plan.geometry);
      speak(c, plan.asks);
      continue;
    }
    if (at == stream.size()) break;
    const std::size_t stop = known ? stream.size() : std::min(stream.size(), plan.geometry_at);
    std::size_t n = stop - at;
    if (cut == Cut::bytes) n = 1;
    if (cut == Cut::chunks) n = std::min<std::size_t>(n, 1 + rng.below(rng.chance(0.5) ? 20 : 20'000));
    c.feed(stream.subspan(at, n));
    c.resume();  // hundreds of tiny blocks can use up the pool within one call
    demand(c.error || c.unread == 0);
    at += n;
  }
  const std::size_t blocks_held = c.pool.in_use();
  demand(blocks_held <= 1);
  if (c.error) {
    demand(blocks_held == 0 && !c.connection.wants_write());
  } else {
    c.log.push_back("writes " + to_hex(sha1(c.written())));
    c.log.push_back("in " + std::to_string(c.connection.bytes_in()) + " " + std::to_string(c.connection.payload_in()) +
                    " " + std::to_string(c.connection.early_bytes()));
  }
  c.log.push_back(c.error ? std::string{describe(*c.error)} : "fine");
  return std::move(c.log);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < kHead) return 0;
  const Plan plan = plan_of(data);
  Stream stream;
  if (plan.handshaken) stream.handshake(plan.fast, plan.extended);
  stream.raw({data + kHead, size - kHead});
  const Lines whole = run(plan, stream.bytes(), Cut::whole);
  demand(run(plan, stream.bytes(), Cut::bytes) == whole);
  demand(run(plan, stream.bytes(), Cut::chunks) == whole);
  return 0;
}
