// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/extension.hpp"

#include <algorithm>
#include <limits>

namespace lodestone::wire {
namespace {

constexpr std::size_t kMaxClient = 64;

std::optional<std::uint8_t> id_in(const bencode::View& m, std::string_view name) {
  const auto id = m.find_integer(name);
  if (!id || *id < 0 || *id > 255) return std::nullopt;
  return static_cast<std::uint8_t>(*id);
}

/// The name as it may be shown to a human. Some clients write it in Latin-1: what is not UTF-8 loses its foreign bytes
/// only, and control characters (also the C1 ones, C2 80 to C2 9F) do not reach a terminal.
std::string printable(Bytes raw) {
  if (raw.size() > kMaxClient) return {};
  const bool utf8 = is_utf8(raw);
  std::string out{as_text(raw)};
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto c = static_cast<std::uint8_t>(out[i]);
    if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8)) out[i] = '?';
    if (c == 0xc2 && utf8 && raw[i + 1] < 0xa0) out[i] = out[i + 1] = '?';
  }
  return out;
}

void read_m(const bencode::View& dict, ExtensionHandshake& out) {
  const auto m = dict.find_dict("m");
  if (!m) return;
  out.ut_metadata = id_in(*m, "ut_metadata");
  out.ut_pex = id_in(*m, "ut_pex");
}

template <class T>
void take(std::optional<T>& to, const std::optional<T>& from) {
  if (from) to = from;
}

}  // namespace

void ExtensionHandshake::encode(ByteVector& out) const {
  bencode::Writer w(out);
  w.begin_dict();
  w.key("m").begin_dict();
  if (ut_metadata) w.key("ut_metadata").integer(*ut_metadata);
  if (ut_pex) w.key("ut_pex").integer(*ut_pex);
  w.end();
  if (metadata_size) {
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    w.key("metadata_size").integer(static_cast<std::int64_t>(std::min(*metadata_size, kMost)));
  }
  if (listen_port) w.key("p").integer(*listen_port);
  if (request_queue) w.key("reqq").integer(*request_queue);
  if (upload_only) w.key("upload_only").integer(*upload_only ? 1 : 0);
  if (!client.empty()) w.key("v").string(client);
  if (your_ip) w.key("yourip").string(your_ip->bytes());
  w.end();
}

std::expected<ExtensionHandshake, bencode::Failure> ExtensionHandshake::decode(Bytes payload) {
  bencode::Limits limits = bencode::Limits::wire();
  limits.allow_trailing = true;  // some clients pad
  bencode::Document doc;
  const auto root = doc.parse(payload, limits);
  if (!root) return std::unexpected(root.error());
  if (!root->is_dict()) return std::unexpected(bencode::Failure{bencode::Error::unexpected_byte, 0});

  ExtensionHandshake out;
  read_m(*root, out);
  if (const auto size = root->find_integer("metadata_size"); size && *size >= 0)
    out.metadata_size = static_cast<std::uint64_t>(*size);
  if (const auto port = root->find_integer("p"); port && *port > 0 && *port <= 0xffff)
    out.listen_port = static_cast<std::uint16_t>(*port);
  if (const auto queue = root->find_integer("reqq"); queue && *queue > 0)
    out.request_queue = static_cast<std::uint32_t>(std::min<std::int64_t>(*queue, 0xffff'ffff));
  if (const auto ip = root->find_string("yourip")) out.your_ip = Address::from_bytes(*ip);
  if (const auto only = root->find_integer("upload_only")) out.upload_only = *only != 0;
  if (const auto v = root->find_string("v")) out.client = printable(*v);
  return out;
}

void ExtensionHandshake::update(const ExtensionHandshake& later) {
  take(ut_metadata, later.ut_metadata);
  take(ut_pex, later.ut_pex);
  take(metadata_size, later.metadata_size);
  take(listen_port, later.listen_port);
  take(request_queue, later.request_queue);
  take(your_ip, later.your_ip);
  take(upload_only, later.upload_only);
  if (!later.client.empty()) client = later.client;
}

}  // namespace lodestone::wire
