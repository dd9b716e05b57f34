// SPDX-License-Identifier: Apache-2.0
// Metadata fetching among strangers: each four bytes of the input are an event (who, what, which piece, how). What is
// complete is checked at once or, in every other input, as an event of its own. Whatever they do, nothing is held
// beyond the limit, a result hashes to what was asked for, and an honest peer that comes at the end gets it there.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "magnet/metadata_fetch.hpp"
#include "wire/base/hash.hpp"

namespace {

using namespace lodestone;
using Type = wire::UtMetadata::Type;

void demand(bool holds) {
  if (!holds) std::abort();
}

struct World {
  wire::ByteVector truth;
  magnet::MetadataFetch fetch;
  wire::Instant now{};
  bool have_result = false;
  bool slow_checks = false;
  std::vector<magnet::MetadataCheck> checks;
  std::vector<magnet::MetadataFetch::Send> asked;

  explicit World(wire::ByteVector dict) : truth(std::move(dict)), fetch(wire::InfoHash(wire::sha1(truth))) {}

  void take(magnet::MetadataFetch::Output&& out) {
    for (auto& send : out.send) {
      demand(send.message.type == Type::request);
      asked.push_back(std::move(send));
    }
    if (out.result) {
      demand(!have_result && out.result->raw == truth);
      have_result = true;
    }
    if (out.check) {
      checks.push_back(*std::move(out.check));
      if (!slow_checks) checked(checks.size() - 1);
    }
    demand(fetch.done() == have_result);
    demand(fetch.bytes_held() <= (64u << 20));
  }

  void checked(std::size_t which) {
    magnet::MetadataVerdict verdict = magnet::check_metadata(std::move(checks[which]));
    checks.erase(checks.begin() + static_cast<std::ptrdiff_t>(which));
    magnet::MetadataFetch::Output out;
    fetch.on_checked(now, std::move(verdict), out);
    take(std::move(out));
  }

  [[nodiscard]] wire::ByteVector piece(std::uint32_t index) const {
    const std::size_t begin = std::min<std::size_t>(truth.size(), std::size_t{index} * wire::kMetadataPiece);
    const std::size_t end = std::min<std::size_t>(truth.size(), begin + wire::kMetadataPiece);
    return {truth.begin() + static_cast<std::ptrdiff_t>(begin), truth.begin() + static_cast<std::ptrdiff_t>(end)};
  }

  void event(const std::array<std::uint8_t, 4>& e) {
    static constexpr std::array<std::uint64_t, 8> kSizes = {40'000, 40'000, 40'001, 1, 0, 16'384, 48u << 20, ~0ull};
    const magnet::LinkKey link{e[0] % 8u, 1};
    magnet::MetadataFetch::Output out;
    switch (e[1] % 6) {
      case 0: fetch.on_peer(now, link, kSizes[e[2] % kSizes.size()], out); break;
      case 1: fetch.on_gone(now, link, out); break;
      case 2: fetch.on_message(now, link, {Type::reject, e[2] % 4u, 0, {}}, out); break;
      case 3: {
        auto data = piece(e[2] % 4u);
        if (e[3] % 4 == 1 && !data.empty()) data[0] ^= 1;
        if (e[3] % 4 == 2) data.resize(e[3]);
        fetch.on_message(now, link, {Type::data, e[2] % 4u, e[3] % 8 == 3 ? 7u : 40'000u, std::move(data)}, out);
        break;
      }
      case 4:
        now += std::chrono::milliseconds(e[2] * 50 + e[3]);
        fetch.advance(now, out);
        demand(fetch.next_deadline() > now);
        break;
      default: {
        if (!checks.empty()) return checked(e[2] % checks.size());
        magnet::MetadataFetch other(wire::InfoHash(wire::sha1(truth)));
        const auto saved = fetch.save();
        other.restore(now, saved);
        demand(other.save() == saved);
        break;
      }
    }
    take(std::move(out));
  }

  /// An honest peer under a new key answers whatever it is asked.
  void rescue() {
    const magnet::LinkKey honest{100, 1};
    magnet::MetadataFetch::Output out;
    asked.clear();
    slow_checks = false;
    while (!checks.empty()) checked(0);
    if (have_result) return;
    fetch.on_peer(now, honest, truth.size(), out);
    take(std::move(out));
    for (int round = 0; round < 2000 && !have_result; ++round) {
      const auto batch = std::move(asked);
      asked.clear();
      for (const auto& send : batch) {
        magnet::MetadataFetch::Output reply;
        if (send.link == honest)
          fetch.on_message(now, honest, {Type::data, send.message.piece, truth.size(), piece(send.message.piece)},
                           reply);
        take(std::move(reply));
      }
      if (have_result || !asked.empty()) continue;
      demand(fetch.next_deadline() != wire::kNever);
      now = fetch.next_deadline();
      magnet::MetadataFetch::Output later;
      fetch.advance(now, later);
      take(std::move(later));
    }
    demand(have_result);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  wire::ByteVector truth(40'000);
  for (std::size_t i = 0; i < truth.size(); ++i) truth[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
  World world(std::move(truth));
  world.slow_checks = size > 0 && size % 2 == 0;
  world.fetch.restore(world.now, {data, size});
  for (std::size_t i = 0; i + 4 <= size && i < 4096; i += 4)
    world.event({data[i], data[i + 1], data[i + 2], data[i + 3]});
  if (!world.have_result) world.rescue();
  return 0;
}
