// SPDX-License-Identifier: Apache-2.0
#include "wire/peer/ut_metadata.hpp"

#include <limits>

namespace lodestone::wire {
namespace {

std::unexpected<bencode::Failure> refuse(bencode::Error error, std::size_t offset) {
  return std::unexpected(bencode::Failure{error, offset});
}

UtMetadata::Type type_of(std::int64_t raw) {
  return raw >= 0 && raw <= 2 ? static_cast<UtMetadata::Type>(raw) : UtMetadata::Type::unknown;
}

}  // namespace

void UtMetadata::encode(ByteVector& out) const {
  bencode::Writer w(out);
  w.begin_dict();
  w.key("msg_type").integer(static_cast<std::int64_t>(type));
  w.key("piece").integer(piece);
  if (type == Type::data) {
    constexpr std::uint64_t kMost = std::numeric_limits<std::int64_t>::max();
    w.key("total_size").integer(static_cast<std::int64_t>(total_size < kMost ? total_size : kMost));
  }
  w.end();
  if (type == Type::data) out.insert(out.end(), data.begin(), data.end());
}

std::expected<UtMetadata, bencode::Failure> UtMetadata::decode(Bytes payload) {
  bencode::Limits limits = bencode::Limits::wire();
  limits.allow_trailing = true;  // the piece itself comes behind the dict
  bencode::Document doc;
  const auto root = doc.parse(payload, limits);
  if (!root) return std::unexpected(root.error());
  if (!root->is_dict()) return refuse(bencode::Error::unexpected_byte, 0);

  UtMetadata out;
  const auto type = root->find_integer("msg_type");
  if (!type) return refuse(bencode::Error::missing_value, 0);
  out.type = type_of(*type);
  if (out.type == Type::unknown) return out;

  const auto piece = root->find("piece");
  const auto index = piece ? piece->integer() : std::nullopt;
  if (!index) return refuse(bencode::Error::missing_value, 0);
  if (*index < 0 || *index > std::numeric_limits<std::uint32_t>::max())
    return refuse(bencode::Error::bad_integer, piece->offset());
  out.piece = static_cast<std::uint32_t>(*index);
  if (out.type != Type::data) return out;

  // Not every client repeats the size here; the one of its handshake counts anyway.
  const auto total = root->find_integer("total_size");
  if (total && *total < 0) return refuse(bencode::Error::bad_integer, root->find("total_size")->offset());
  out.total_size = static_cast<std::uint64_t>(total.value_or(0));
  const Bytes data = payload.subspan(doc.consumed());
  if (data.size() > kMetadataPiece) return refuse(bencode::Error::input_too_large, doc.consumed());
  out.data.assign(data.begin(), data.end());
  return out;
}

}  // namespace lodestone::wire
