// SPDX-License-Identifier: Apache-2.0
// Any bytes into the bencode reader. Besides not crashing: a failure points into the input, a tree covers its source
// exactly, canonical input survives a round trip through the Writer, and strict reading accepts just what is canonical.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "wire/base/bencode.hpp"

namespace {

using namespace lodestone::wire;
namespace bc = lodestone::wire::bencode;

void require(bool condition) {
  if (!condition) std::abort();
}

/// Checks that the children of v lie side by side from `begin` to the closing byte. Depth is bounded by Limits.
void check_tree(const bc::View& v) {
  const std::size_t end = v.offset() + v.raw().size();
  require(v.is_integer() == v.integer().has_value());
  require(v.is_string() == v.string().has_value());
  if (v.is_integer() || v.is_string()) {
    require(v.size() == 0 && v.begin() == v.end());
    return;
  }
  std::size_t at = v.offset() + 1;
  std::size_t children = 0;
  for (const bc::View child : v) {
    require(child.offset() == at);
    require(!v.is_dict() || children % 2 == 1 || child.is_string());
    check_tree(child);
    at += child.raw().size();
    ++children;
  }
  require(at + 1 == end);
  require(v.size() == (v.is_dict() ? children / 2 : children));
  v.for_each_entry([&v](std::string_view key, bc::View value) {
    const auto found = v.find(key);
    require(found && found->offset() <= value.offset());  // the first of equal keys
  });
}

void write(bc::Writer& w, const bc::View& v) {
  switch (v.kind()) {
    case bc::Kind::integer: w.integer(*v.integer()); break;
    case bc::Kind::string: w.string(*v.string()); break;
    case bc::Kind::list:
      w.begin_list();
      for (const bc::View child : v) write(w, child);
      w.end();
      break;
    case bc::Kind::dict:
      w.begin_dict();
      v.for_each_entry([&w](std::string_view key, bc::View value) {
        w.key(key);
        write(w, value);
      });
      w.end();
      break;
  }
}

void check_failure(const bc::Failure& f, Bytes input) {
  require(f.offset <= input.size());
  // Only a missing byte is behind the input; every other fault is a byte that is there.
  require((f.error == bc::Error::truncated) == (f.offset == input.size()));
  require(!bc::describe(f.error).empty());
}

/// Parses twice: with a Document that has seen other inputs and with one that is cold; they must agree.
void check(bc::Document& warm, Bytes input, bc::Limits limits) {
  limits.strict = false;
  bc::Document cold;
  const auto lenient = warm.parse(input, limits);
  const auto again = cold.parse(input, limits);
  require(lenient.has_value() == again.has_value());
  if (!lenient) {
    require(lenient.error().error == again.error().error && lenient.error().offset == again.error().offset);
    check_failure(lenient.error(), input);
    limits.strict = true;
    require(!cold.parse(input, limits));
    return;
  }
  require(warm.consumed() == lenient->raw().size() && lenient->offset() == 0);
  require(limits.allow_trailing || warm.consumed() == input.size());
  check_tree(*lenient);
  if (warm.canonical()) {
    ByteVector out;
    bc::Writer writer{out};
    write(writer, *lenient);
    require(as_text(out) == as_text(lenient->raw()));
  }
  const bool canonical = warm.canonical();
  limits.strict = true;
  const auto strict = cold.parse(input, limits);
  require(strict.has_value() == canonical);
  if (!strict) check_failure(strict.error(), input);
  // No value is the beginning of another one: what lacks its last byte is not whole.
  limits.strict = false;
  require(!cold.parse(input.first(warm.consumed() - 1), limits));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static bc::Document warm;
  const Bytes input{data, size};
  check(warm, input, bc::Limits::wire());
  check(warm, input, bc::Limits::file());
  check(warm, input, bc::Limits{3, 10, false, true});
  return 0;
}
