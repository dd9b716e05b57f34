// SPDX-License-Identifier: Apache-2.0
// The DHT's message format (BEP 5, 32, 33, 42 "ip", 43 "ro", 44, 51). Decoding gives views into the datagram over a
// Document that is reused, encoding writes into memory that the caller supplies (the send arena): both allocate nothing
// when warm. Unknown keys are ignored; what is not a message is told apart from what is a bad query, because only the
// latter is answered (S3). Nothing here knows a table, a time or an address policy.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "dht/contact.hpp"
#include "dht/item.hpp"
#include "wire/base/bencode.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"
#include "wire/base/id.hpp"

namespace lodestone::dht::krpc {

using wire::Bytes;
using wire::MutableBytes;

/// `other`: a method we do not know that carries a target or an info_hash, so that it can be answered like find_node
/// (S9).
enum class Method : std::uint8_t { ping, find_node, get_peers, announce_peer, get, put, sample_infohashes, other };

/// BEP 5's error codes; those of BEP 44 are Items::Verdict.
inline constexpr int kGenericError = 201;
inline constexpr int kServerError = 202;
inline constexpr int kProtocolError = 203;
inline constexpr int kMethodUnknown = 204;

struct Query {
  Method method = Method::ping;
  wire::NodeId id;
  wire::Key target;        // find_node's, get's or sample_infohashes' target, or the info_hash; zero for ping and put
  Bytes token;             // announce_peer, put
  std::uint16_t port = 0;  // announce_peer; 0 only when implied_port
  bool implied_port = false;
  bool read_only = false;  // BEP 43
  bool want_v4 = false;    // BEP 32; neither: nothing asked, the transport's family is meant
  bool want_v6 = false;
  bool seed = false;     // announce_peer (BEP 33)
  bool scrape = false;   // get_peers (BEP 33)
  bool no_seed = false;  // get_peers (BEP 33)
  // put (BEP 44). With a key there are a signature and a seq, too, of the right sizes; nothing else is checked.
  Bytes value;  // exactly as it came, bencoded
  Bytes key;    // empty: immutable
  Bytes signature;
  Bytes salt;
  std::optional<std::int64_t> seq;  // of get: only what is newer is wanted
  std::optional<std::int64_t> cas;
};

struct Reply {
  wire::NodeId id;
  Bytes nodes;  // compact, any length
  Bytes nodes6;
  Bytes token;                                // empty: none
  std::optional<wire::bencode::View> values;  // a list; what is in it is unchecked
  std::optional<wire::Endpoint> external;     // "ip": our endpoint as the sender sees it
  // BEP 44; nothing is verified.
  Bytes value;      // exactly as it came, bencoded; empty: none
  Bytes key;        // 32 bytes or empty
  Bytes signature;  // 64 bytes or empty
  std::optional<std::int64_t> seq;
  // BEP 33; 256 bytes or empty.
  Bytes seeds_filter;
  Bytes peers_filter;
  // BEP 51; samples is set (and may be empty) only by nodes that know of it.
  std::optional<Bytes> samples;
  std::optional<std::int64_t> interval;  // seconds
  std::optional<std::int64_t> num;

  /// The item that came, if the parts that make one are there.
  [[nodiscard]] std::optional<ItemView> item(Bytes salt) const;
};

struct ErrorReply {
  std::int64_t code = 0;
};

struct Message {
  Bytes transaction;  // verbatim, any length
  Bytes version;      // "v"; empty: none
  std::variant<Query, Reply, ErrorReply> body;
};

/// Why there is no Message. code 0: garbage, to be met with silence. Else a query of which at least `t` could be read.
struct Rejected {
  int code = 0;
  Bytes transaction;
  std::string_view reason;  // static text
};

/// By its last bytes, which canonical form prescribes: a guess that is cheap, for whoever would rather not decode. What
/// it takes for a query may be a reply in another order.
[[nodiscard]] bool looks_like_reply(Bytes datagram);

class Decoder {
 public:
  /// The result's views are valid until the next decode() and while the datagram lives.
  [[nodiscard]] std::expected<Message, Rejected> decode(Bytes datagram);
  /// The same, slower: without the short way for the usual queries (krpc_fast). For tests to compare with.
  [[nodiscard]] std::expected<Message, Rejected> decode_any(Bytes datagram);

 private:
  [[nodiscard]] std::expected<Message, Rejected> decode_query_like(Bytes datagram);

  wire::bencode::Document document_;
};

/// What every outgoing query has.
struct QueryHead {
  std::uint32_t transaction = 0;  // 4 bytes on the wire
  const wire::NodeId& id;
  std::string_view version;  // "v"; empty: left out
  bool read_only = false;
  bool want_both = false;      // nodes of both families (BEP 32)
  Bytes own_transaction = {};  // at most 16 bytes; empty: that number
};
/// What a get_peers asks for beside peers (BEP 33).
struct PeersWanted {
  bool scrape = false;
  bool no_seed = false;
};

// Each writes one datagram and returns its size; 0 when it did not fit (kQueryMax is always enough, but for
// announce_peer, which needs its token's length on top, and for put, which needs its token's and its item's).
inline constexpr std::size_t kQueryMax = 256;
[[nodiscard]] std::size_t encode_ping(MutableBytes out, const QueryHead& head);
[[nodiscard]] std::size_t encode_find_node(MutableBytes out, const QueryHead& head, const wire::Key& target);
[[nodiscard]] std::size_t encode_get_peers(MutableBytes out, const QueryHead& head, const wire::Key& info_hash,
                                           const PeersWanted& wanted = {});
[[nodiscard]] std::size_t encode_announce_peer(MutableBytes out, const QueryHead& head, const wire::Key& info_hash,
                                               std::uint16_t port, bool implied_port, Bytes token, bool seed = false);
[[nodiscard]] std::size_t encode_get(MutableBytes out, const QueryHead& head, const wire::Key& target);
[[nodiscard]] std::size_t encode_put(MutableBytes out, const QueryHead& head, const ItemView& item,
                                     std::optional<std::int64_t> cas, Bytes token);
[[nodiscard]] inline std::size_t put_size_max(const ItemView& item, Bytes token) {
  return kQueryMax + item.value.size() + token.size() +
         (item.signed_by ? item.signed_by->salt.size() + sizeof(PublicKey) + sizeof(Signature) : 0);
}
[[nodiscard]] std::size_t encode_sample_infohashes(MutableBytes out, const QueryHead& head, const wire::Key& target);

/// Peers in compact form, `stride` bytes apart in memory, `size` bytes each.
struct CompactPeers {
  const std::uint8_t* data = nullptr;
  std::size_t count = 0;
  std::size_t stride = 0;
  std::size_t size = 0;
};

/// BEP 44: what a get is answered with. Without a value: the number is all that is told.
struct ItemBody {
  Bytes value;
  const MutablePart* signed_by = nullptr;
};
/// BEP 51.
struct SamplesBody {
  Bytes samples;
  std::uint32_t interval = 0;  // seconds
  std::uint64_t num = 0;
};
/// BEP 33; 256 bytes each.
struct ScrapeBody {
  Bytes seeds;
  Bytes peers;
};

/// What a reply says. What does not fit is left out from the end, values first, then nodes, or the other way round; the
/// rest stays.
struct ReplyBody {
  const wire::NodeId& id;
  wire::Endpoint to;                         // "ip" (BEP 42)
  std::optional<wire::Family> nodes_family;  // set: `nodes` or `nodes6` is written, even if empty
  Bytes nodes;                               // compact contacts of that family, one behind the other
  Bytes token;                               // empty: none
  CompactPeers values;
  // Of the family that `to` is not of.
  std::optional<Bytes> other_nodes = std::nullopt;
  const ItemBody* item = nullptr;
  const SamplesBody* samples = nullptr;
  const ScrapeBody* scrape = nullptr;
  bool values_before_nodes = false;  // S3: who asks for peers gets them before he gets more to ask
};
[[nodiscard]] std::size_t encode_reply(MutableBytes out, Bytes transaction, std::string_view version,
                                       const ReplyBody& body);
[[nodiscard]] std::size_t encode_error(MutableBytes out, Bytes transaction, std::string_view version, int code,
                                       std::string_view text);

}  // namespace lodestone::dht::krpc
