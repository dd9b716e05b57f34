// SPDX-License-Identifier: Apache-2.0
#include "magnet/metadata_fetch.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "wire/base/bencode.hpp"
#include "wire/base/hash.hpp"

namespace lodestone::magnet {
namespace {

using wire::Duration;
using wire::Instant;
using wire::kMetadataPiece;

constexpr std::size_t kSlots = 2;                    // pieces asked of one peer at a time (M3)
constexpr std::size_t kCopies = 4;                   // peers asked for the same piece within kSlow
constexpr std::size_t kSolos = 3;                    // after a bad hash: peers that are asked for the whole, each
constexpr Duration kSlow = std::chrono::seconds(1);  // after that a request counts no longer among the copies
constexpr Duration kRequestTimeout = std::chrono::seconds(10);
constexpr Duration kFirstPause = std::chrono::seconds(2);  // after a reject or a timeout; doubles
constexpr Duration kLongestPause = std::chrono::seconds(64);
constexpr Duration kLook = std::chrono::seconds(1);  // how often the budget is asked again, and whether others wait

std::uint32_t piece_count(std::uint64_t size) {
  return static_cast<std::uint32_t>((size + kMetadataPiece - 1) / kMetadataPiece);
}

std::size_t piece_size(std::uint64_t size, std::uint32_t piece) {
  const std::uint64_t begin = std::uint64_t{piece} * kMetadataPiece;
  return static_cast<std::size_t>(std::min<std::uint64_t>(kMetadataPiece, size - begin));
}

struct Piece {
  wire::ByteVector data;
  LinkKey from;  // invalid: out of a saved state
};

/// Pieces of one claimed size: of everybody who claims it, or of one peer alone. Memory is held for pieces that are
/// there, and none without a share of the budget (M1).
struct Pool {
  std::map<std::uint32_t, Piece> pieces;
  std::uint64_t held = 0;     // bytes
  std::uint64_t fetched = 0;  // of those, since the share was granted
  std::optional<MetadataBudget::Share> share;
  bool wanted = false;      // somebody could be asked for a piece of it, now
  std::uint64_t check = 0;  // not 0: it was complete and is being checked under this number; there is nothing in here

  void put(std::uint32_t index, Piece piece) {
    held += piece.data.size();
    fetched += piece.data.size();
    pieces.emplace(index, std::move(piece));
  }
  /// May hold all of `size` bytes. Otherwise it is in line for them.
  [[nodiscard]] bool admitted(Instant now, MetadataBudget& budget, std::uint64_t size) {
    wanted = true;
    if (!share) share.emplace(budget, size);
    return share->take(now);
  }
  [[nodiscard]] bool must_yield(Instant now) const { return share && share->must_yield(now, fetched); }
  /// All pieces in a row; each is freed as soon as it is copied, so that hardly more than `size` bytes are in use.
  [[nodiscard]] wire::ByteVector join(std::uint64_t size) {
    wire::ByteVector whole;
    whole.reserve(static_cast<std::size_t>(size));
    for (auto& [index, piece] : pieces) {
      whole.insert(whole.end(), piece.data.begin(), piece.data.end());
      piece.data = {};
    }
    return whole;
  }
};

/// A pool's content on its way to the verdict, and back.
struct Check {
  std::uint64_t size = 0;
  std::vector<LinkKey> from;                   // by piece; invalid: out of a saved state
  std::optional<MetadataBudget::Share> share;  // for the bytes, wherever they are

  /// All of it came from this one peer, in this run.
  [[nodiscard]] std::optional<LinkKey> only_source() const {
    const bool one = from.front().valid() &&
                     std::all_of(from.begin(), from.end(), [this](LinkKey link) { return link == from.front(); });
    return one ? std::optional(from.front()) : std::nullopt;
  }
};

/// What peers delivered in a fetch whose hash was wrong: whoever's piece differs from the true one, lied.
struct Testimony {
  std::uint32_t piece;
  LinkKey from;
  wire::Sha1Digest digest;
};

/// All that is known under one claimed size.
struct Claim {
  Pool shared;
  bool distrusted = false;  // the shared pool's hash was wrong once: single peers only
  std::map<LinkKey, Pool> solos;
  std::vector<Testimony> testimonies;
  std::size_t members = 0;

  [[nodiscard]] std::uint64_t held() const {
    std::uint64_t sum = shared.held;
    for (const auto& [link, pool] : solos) sum += pool.held;
    return sum;
  }
};

struct Request {
  std::uint32_t piece;
  Instant sent;
  bool slow = false;  // others are asked, too
  bool late = false;  // timed out: its place is free again, but the answer is still taken
  [[nodiscard]] Instant next_deadline() const {
    if (late) return wire::kNever;
    return sent + (slow ? kRequestTimeout : kSlow);
  }
};

struct Provider {
  std::uint64_t size = 0;  // its claim; 0: none that we believe
  std::vector<Request> requests;
  std::optional<Instant> pause_until;
  unsigned refusals = 0;  // rejects and timeouts since it last delivered
  bool liar = false;

  [[nodiscard]] std::size_t active() const {
    return static_cast<std::size_t>(
        std::count_if(requests.begin(), requests.end(), [](const Request& r) { return !r.late; }));
  }
  [[nodiscard]] bool asked_for(std::uint32_t piece) const {
    return std::any_of(requests.begin(), requests.end(),
                       [piece](const Request& r) { return r.piece == piece && !r.late; });
  }
  void refuse(Instant now) {
    const Duration pause = kFirstPause * (std::int64_t{1} << std::min(refusals, 5u));
    pause_until = now + std::min(pause, kLongestPause);
    ++refusals;
  }
};

}  // namespace

struct MetadataFetch::State {
  wire::InfoHash expected;
  std::unique_ptr<MetadataBudget> own;  // before the claims, whose shares come from it
  MetadataBudget* budget = nullptr;
  std::map<LinkKey, Provider> peers;
  std::map<std::uint64_t, Claim> claims;  // by size
  std::map<std::uint64_t, Check> checks;  // by number
  std::uint64_t last_check = 0;
  bool done = false;
  Instant looked_at{};  // when the budget was last asked

  void move(LinkKey link, std::uint64_t size);
  void leave(LinkKey link);
  void keep_one_orphan();
  [[nodiscard]] std::uint64_t held() const;
  [[nodiscard]] std::map<std::uint64_t, Claim>::const_iterator best() const;
  void give_way(Instant now);
  void release_idle();
  [[nodiscard]] bool in_line() const;
  [[nodiscard]] Pool* pool_of(LinkKey link, Claim& claim);
  void assign_solos(std::uint64_t size, Claim& claim);
  [[nodiscard]] std::optional<std::uint32_t> choose(LinkKey link, const Provider& peer, const Claim& claim,
                                                    const Pool& pool) const;
  void ask(Instant now, Output& out);
  void ask_of(Instant now, LinkKey link, Provider& peer, Output& out);
  void accept(Instant now, LinkKey link, const wire::UtMetadata& message, Output& out);
  void hand_out(std::uint64_t size, const Claim& claim, Pool& pool, Output& out);
  void confirm(const Check& check, MetadataVerdict&& verdict, Output& out);
  void refute(const Check& check, const MetadataVerdict& verdict, Output& out);
  void blame(LinkKey link, Output& out);
  void blame_by(const std::vector<wire::Sha1Digest>& truth, const Claim& claim, Output& out);
};

// --- who claims what ---

/// The new claim first: leaving the old one throws away what nobody claims.
void MetadataFetch::State::move(LinkKey link, std::uint64_t size) {
  if (size != 0) ++claims[size].members;
  leave(link);
  peers.at(link).size = size;
}

void MetadataFetch::State::leave(LinkKey link) {
  Provider& peer = peers.at(link);
  peer.requests.clear();
  if (peer.size == 0) return;
  const auto claim = claims.find(std::exchange(peer.size, 0));
  claim->second.solos.erase(link);
  --claim->second.members;
  keep_one_orphan();
}

/// A claim that nobody makes any more is worth keeping for what was fetched, but not once per stranger who came and
/// went.
void MetadataFetch::State::keep_one_orphan() {
  auto kept = claims.end();
  for (auto it = claims.begin(); it != claims.end();) {
    if (it->second.members > 0) {
      ++it;
      continue;
    }
    const bool better =
        it->second.shared.held > 0 && (kept == claims.end() || it->second.shared.held > kept->second.shared.held);
    if (better && kept != claims.end()) claims.erase(kept);
    if (better)
      kept = it++;
    else
      it = claims.erase(it);
  }
}

std::uint64_t MetadataFetch::State::held() const {
  std::uint64_t sum = 0;
  for (const auto& [size, claim] : claims) sum += claim.held();
  for (const auto& [number, check] : checks) sum += check.size;
  return sum;
}

/// Most peers, then most bytes.
std::map<std::uint64_t, Claim>::const_iterator MetadataFetch::State::best() const {
  return std::max_element(claims.begin(), claims.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second.members, a.second.held()) < std::pair(b.second.members, b.second.held());
  });
}

// --- memory (M1) ---

/// Pools that stand still while others wait for memory lose theirs, and what they hold; they line up again.
void MetadataFetch::State::give_way(Instant now) {
  for (auto& [size, claim] : claims) {
    if (claim.shared.must_yield(now)) {
      claim.shared = {};
      for (auto& [link, peer] : peers)
        if (peer.size == size) peer.requests.clear();
    }
    std::erase_if(claim.solos, [&](const auto& solo) {
      if (!solo.second.must_yield(now)) return false;
      Provider& peer = peers.at(solo.first);
      peer.requests.clear();
      peer.refuse(now);  // somebody else may have its place
      return true;
    });
  }
}

/// Nobody can be asked and nothing is there: such a pool keeps neither memory nor its place in line from others.
void MetadataFetch::State::release_idle() {
  for (auto& [size, claim] : claims) {
    const auto asked = [&](const Provider& peer) { return peer.size == size && peer.active() > 0; };
    const auto idle = [](const Pool& pool) {
      return pool.share && pool.pieces.empty() && !(pool.wanted && !pool.share->granted());
    };
    if (idle(claim.shared) &&
        std::none_of(peers.begin(), peers.end(), [&](const auto& entry) { return asked(entry.second); }))
      claim.shared.share.reset();
    for (auto& [link, pool] : claim.solos)
      if (idle(pool) && !asked(peers.at(link))) pool.share.reset();
  }
}

bool MetadataFetch::State::in_line() const {
  return std::any_of(claims.begin(), claims.end(), [](const auto& entry) {
    const Claim& claim = entry.second;
    return claim.shared.share || std::any_of(claim.solos.begin(), claim.solos.end(),
                                             [](const auto& solo) { return solo.second.share.has_value(); });
  });
}

// --- asking ---

Pool* MetadataFetch::State::pool_of(LinkKey link, Claim& claim) {
  if (!claim.distrusted) return &claim.shared;
  const auto solo = claim.solos.find(link);
  return solo == claim.solos.end() ? nullptr : &solo->second;
}

/// Fills the places of a distrusted claim with the peers that refused least.
void MetadataFetch::State::assign_solos(std::uint64_t size, Claim& claim) {
  while (claim.solos.size() < kSolos) {
    auto chosen = peers.end();
    for (auto it = peers.begin(); it != peers.end(); ++it) {
      if (it->second.size != size || claim.solos.contains(it->first) || it->second.pause_until) continue;
      if (chosen == peers.end() || it->second.refusals < chosen->second.refusals) chosen = it;
    }
    if (chosen == peers.end()) return;
    chosen->second.requests.clear();  // those were for the shared pool
    claim.solos.emplace(chosen->first, Pool{});
  }
}

/// The missing piece that fewest others are being asked for.
std::optional<std::uint32_t> MetadataFetch::State::choose(LinkKey link, const Provider& peer, const Claim& claim,
                                                          const Pool& pool) const {
  std::vector<std::uint8_t> asked(piece_count(peer.size), 0);
  if (!claim.distrusted) {
    for (const auto& [other, state] : peers) {
      if (other == link || state.size != peer.size) continue;
      for (const Request& request : state.requests)
        if (!request.slow && asked[request.piece] < 255) ++asked[request.piece];
    }
  }
  std::optional<std::uint32_t> chosen;
  for (std::uint32_t piece = 0; piece < asked.size(); ++piece) {
    if (asked[piece] >= kCopies || pool.pieces.contains(piece) || peer.asked_for(piece)) continue;
    if (!chosen || asked[piece] < asked[*chosen]) chosen = piece;
    if (asked[*chosen] == 0) break;
  }
  return chosen;
}

void MetadataFetch::State::ask_of(Instant now, LinkKey link, Provider& peer, Output& out) {
  if (peer.size == 0 || peer.pause_until) return;
  Claim& claim = claims.at(peer.size);
  Pool* pool = pool_of(link, claim);
  if (pool == nullptr || pool->check != 0) return;
  while (peer.active() < kSlots) {
    const auto piece = choose(link, peer, claim, *pool);
    if (!piece || !pool->admitted(now, *budget, peer.size)) return;
    std::erase_if(peer.requests, [&](const Request& r) { return r.piece == *piece; });
    peer.requests.push_back({*piece, now});
    out.send.push_back({link, {wire::UtMetadata::Type::request, *piece, 0, {}}});
  }
}

void MetadataFetch::State::ask(Instant now, Output& out) {
  if (done) return;
  looked_at = now;
  give_way(now);
  for (auto& [size, claim] : claims) {
    claim.shared.wanted = false;
    for (auto& [link, pool] : claim.solos) pool.wanted = false;
  }
  for (auto& [link, peer] : peers)
    if (peer.pause_until && *peer.pause_until <= now) peer.pause_until.reset();
  for (auto& [size, claim] : claims)
    if (claim.distrusted) assign_solos(size, claim);
  for (auto& [link, peer] : peers) ask_of(now, link, peer, out);
  release_idle();
}

// --- answers ---

/// M2: only what we asked this peer, of exactly the length that the piece has.
void MetadataFetch::State::accept(Instant now, LinkKey link, const wire::UtMetadata& message, Output& out) {
  Provider& peer = peers.at(link);
  const auto asked = std::find_if(peer.requests.begin(), peer.requests.end(),
                                  [&](const Request& r) { return r.piece == message.piece; });
  if (asked == peer.requests.end()) return;
  peer.requests.erase(asked);
  const std::uint64_t size = peer.size;
  const bool other_size = message.total_size != 0 && message.total_size != size;
  if (other_size || message.data.size() != piece_size(size, message.piece)) return blame(link, out);
  peer.refusals = 0;
  peer.pause_until.reset();
  Claim& claim = claims.at(size);
  Pool* pool = pool_of(link, claim);
  if (pool == nullptr || pool->check != 0 || pool->pieces.contains(message.piece)) return;
  if (!pool->admitted(now, *budget, size)) return;
  pool->put(message.piece, {message.data, link});
  if (pool->pieces.size() == piece_count(size)) hand_out(size, claim, *pool, out);
}

/// All pieces are there: either this is it, or somebody lied.
void MetadataFetch::State::hand_out(std::uint64_t size, const Claim& claim, Pool& pool, Output& out) {
  Check check;
  check.size = size;
  for (const auto& [index, piece] : pool.pieces) check.from.push_back(piece.from);
  check.share = std::move(pool.share);
  const std::uint64_t number = ++last_check;
  out.check = MetadataCheck{number, expected, pool.join(size), !claim.testimonies.empty()};
  pool = {};
  pool.check = number;
  checks.emplace(number, std::move(check));
}

void MetadataFetch::State::confirm(const Check& check, MetadataVerdict&& verdict, Output& out) {
  if (const auto claim = claims.find(check.size); claim != claims.end()) blame_by(verdict.digests, claim->second, out);
  out.result = std::move(verdict);
  done = true;
  claims.clear();
  for (auto& [link, peer] : peers) peer.requests.clear();
}

/// The claim may have gone meanwhile, or be another one of the same size: then only a single source can be named.
void MetadataFetch::State::refute(const Check& check, const MetadataVerdict& verdict, Output& out) {
  const auto found = claims.find(check.size);
  Claim* claim = found != claims.end() ? &found->second : nullptr;
  const bool shared = claim != nullptr && claim->shared.check == verdict.number;
  if (shared) claim->shared = {};
  if (const auto link = check.only_source()) {
    // One peer gave all of it: no need to ask who it was. The shared pool of an honest claim starts again.
    if (peers.contains(*link)) blame(*link, out);
    return;
  }
  if (!shared) return;
  for (std::uint32_t piece = 0; piece < check.from.size(); ++piece)
    if (check.from[piece].valid()) claim->testimonies.push_back({piece, check.from[piece], verdict.digests[piece]});
  // What is under way was asked for the pool that is given up.
  for (auto& [other, peer] : peers)
    if (peer.size == check.size) peer.requests.clear();
  claim->distrusted = true;
}

void MetadataFetch::State::blame(LinkKey link, Output& out) {
  Provider& peer = peers.at(link);
  if (peer.liar) return;
  peer.liar = true;
  out.liars.push_back(link);
  // What it contributed is not worth having; others will be asked for it again.
  if (const auto claim = claims.find(peer.size); claim != claims.end()) {
    std::erase_if(claim->second.testimonies, [link](const Testimony& t) { return t.from == link; });
    Pool& shared = claim->second.shared;
    std::erase_if(shared.pieces, [&](const auto& entry) {
      if (entry.second.from != link) return false;
      shared.held -= entry.second.data.size();
      return true;
    });
  }
  leave(link);
}

/// The truth is known, piece by piece: who said something else?
void MetadataFetch::State::blame_by(const std::vector<wire::Sha1Digest>& truth, const Claim& claim, Output& out) {
  std::set<LinkKey> liars;
  for (const Testimony& testimony : claim.testimonies)
    if (testimony.piece < truth.size() && testimony.digest != truth[testimony.piece]) liars.insert(testimony.from);
  for (const LinkKey link : liars) {
    const auto peer = peers.find(link);
    if (peer != peers.end()) peer->second.liar = true;
    out.liars.push_back(link);
  }
}

// --- the outside ---

MetadataFetch::MetadataFetch(const wire::InfoHash& expected, MetadataBudget* budget)
    : state_(std::make_unique<State>()) {
  state_->expected = expected;
  if (budget == nullptr) state_->own = std::make_unique<MetadataBudget>();
  state_->budget = budget != nullptr ? budget : state_->own.get();
}

MetadataFetch::~MetadataFetch() = default;

void MetadataFetch::on_peer(Instant now, LinkKey link, std::uint64_t claimed_size, Output& out) {
  State& s = *state_;
  if (s.done) return;
  const std::uint64_t size = claimed_size <= std::min(kMaxSize, s.budget->largest()) ? claimed_size : 0;
  Provider& peer = s.peers[link];
  if (peer.liar || (peer.size == size && size != 0)) return;
  s.move(link, size);
  s.ask(now, out);
}

void MetadataFetch::on_message(Instant now, LinkKey link, const wire::UtMetadata& message, Output& out) {
  State& s = *state_;
  const auto peer = s.peers.find(link);
  if (s.done || peer == s.peers.end() || peer->second.liar) return;
  if (message.type == wire::UtMetadata::Type::data) s.accept(now, link, message, out);
  if (message.type == wire::UtMetadata::Type::reject) {
    const auto refused =
        std::erase_if(peer->second.requests, [&](const Request& r) { return r.piece == message.piece; });
    if (refused == 0) return;
    peer->second.refuse(now);
    // Somebody else may have a place among those who are asked alone.
    if (peer->second.size != 0) s.claims.at(peer->second.size).solos.erase(link);
  }
  s.ask(now, out);
}

void MetadataFetch::on_gone(Instant now, LinkKey link, Output& out) {
  State& s = *state_;
  if (!s.peers.contains(link)) return;
  if (!s.done) s.leave(link);
  s.peers.erase(link);
  s.ask(now, out);
}

void MetadataFetch::on_checked(Instant now, MetadataVerdict&& verdict, Output& out) {
  State& s = *state_;
  auto node = s.checks.extract(verdict.number);
  if (node.empty() || s.done) return;
  if (verdict.good) {
    s.confirm(node.mapped(), std::move(verdict), out);
  } else {
    s.refute(node.mapped(), verdict, out);
    verdict.raw = {};
  }
  node.mapped().share.reset();
  s.ask(now, out);
}

void MetadataFetch::advance(Instant now, Output& out) {
  State& s = *state_;
  if (s.done) return;
  for (auto& [link, peer] : s.peers) {
    bool silent = false;
    for (Request& request : peer.requests) {
      if (request.late) continue;
      request.slow = now >= request.sent + kSlow;
      request.late = now >= request.sent + kRequestTimeout;
      silent = silent || request.late;
    }
    if (!silent) continue;
    peer.refuse(now);
    Claim& claim = s.claims.at(peer.size);
    if (claim.solos.erase(link) != 0) peer.requests.clear();
  }
  s.ask(now, out);
}

Instant MetadataFetch::next_deadline() const {
  const State& s = *state_;
  Instant next = wire::kNever;
  if (s.done) return next;
  if (s.in_line()) next = s.looked_at + kLook;
  for (const auto& [link, peer] : s.peers) {
    if (peer.size == 0) continue;
    if (peer.pause_until) next = std::min(next, *peer.pause_until);
    for (const Request& request : peer.requests) next = std::min(next, request.next_deadline());
  }
  return next;
}

bool MetadataFetch::done() const { return state_->done; }

std::size_t MetadataFetch::sources() const {
  return static_cast<std::size_t>(
      std::count_if(state_->peers.begin(), state_->peers.end(), [](const auto& p) { return p.second.size != 0; }));
}

std::uint64_t MetadataFetch::bytes_held() const { return state_->held(); }

std::uint64_t MetadataFetch::bytes_expected() const {
  const auto best = state_->best();
  return best == state_->claims.end() ? 0 : best->first;
}

// A dictionary: "hash" the info-hash it belongs to, "pieces" [[index, bytes], ...], "size" the claim.
wire::ByteVector MetadataFetch::save() const {
  const State& s = *state_;
  const auto most = std::max_element(s.claims.begin(), s.claims.end(), [](const auto& a, const auto& b) {
    return a.second.shared.held < b.second.shared.held;
  });
  wire::ByteVector out;
  if (most == s.claims.end() || most->second.shared.held == 0) return out;
  wire::bencode::Writer writer(out);
  writer.begin_dict().key("hash").string(s.expected.view()).key("pieces").begin_list();
  for (const auto& [index, piece] : most->second.shared.pieces)
    writer.begin_list().integer(index).string(piece.data).end();
  writer.end().key("size").integer(static_cast<std::int64_t>(most->first)).end();
  return out;
}

void MetadataFetch::restore(Instant now, wire::Bytes saved) {
  State& s = *state_;
  wire::bencode::Document document;
  const auto root = document.parse(saved, wire::bencode::Limits::file());
  if (!root || s.done || !s.claims.empty()) return;
  const auto hash = root->find_string("hash");
  const auto size = root->find_integer("size");
  const auto pieces = root->find_list("pieces");
  if (!hash || !size || !pieces || wire::InfoHash::from_bytes(*hash) != s.expected) return;
  if (*size <= 0 || static_cast<std::uint64_t>(*size) > std::min(kMaxSize, s.budget->largest())) return;
  const auto claimed = static_cast<std::uint64_t>(*size);
  Pool pool;
  if (!pool.admitted(now, *s.budget, claimed)) return;
  for (const wire::bencode::View entry : *pieces) {
    if (!entry.is_list() || entry.size() != 2) return;
    auto at = entry.begin();
    const auto index = (*at).integer();
    const auto data = (*++at).string();
    if (!index || !data || *index < 0 || static_cast<std::uint64_t>(*index) >= piece_count(claimed)) return;
    const auto piece = static_cast<std::uint32_t>(*index);
    if (data->size() != piece_size(claimed, piece) || pool.pieces.contains(piece)) return;
    pool.put(piece, {wire::ByteVector(data->begin(), data->end()), LinkKey{}});
  }
  // A complete pool would have been a result, or was wrong: in both cases there is nothing left to fetch for it.
  if (pool.held == 0 || pool.pieces.size() >= piece_count(claimed)) return;
  pool.fetched = 0;
  s.claims[claimed].shared = std::move(pool);
  s.looked_at = now;
}

}  // namespace lodestone::magnet
