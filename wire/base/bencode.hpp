// SPDX-License-Identifier: Apache-2.0
// Bencode (BEP 3), flat and zero-copy: parse() makes one array of tokens over the caller's bytes; a View walks it.
// Reading is lenient (unsorted keys are noted, not refused) unless Limits::strict; writing is canonical when keys are
// given in order. Iterative, bounded by Limits (P1): never recurses, never allocates more than max_tokens tokens.
// A Document may be reused: its token storage is kept, so that a warm parse of a DHT packet allocates nothing.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/base/bytes.hpp"

namespace lodestone::wire::bencode {

struct Limits {
  std::uint32_t depth = 16;
  std::uint32_t tokens = 2'000;
  bool strict = false;          // canonical form only: sorted unique keys, no leading zeros, no -0
  bool allow_trailing = false;  // bytes after the value are left (Document::consumed says where), else an error
  [[nodiscard]] static constexpr Limits wire() { return {}; }
  [[nodiscard]] static constexpr Limits file() { return {100, 3'000'000, false, true}; }
};

enum class Error : std::uint8_t {
  truncated,
  unexpected_byte,
  bad_integer,
  integer_overflow,
  bad_length,
  string_too_long,
  too_deep,
  too_many_tokens,
  key_not_string,
  missing_value,
  trailing_bytes,
  unsorted_keys,
  duplicate_key,
  leading_zero,
  input_too_large
};
// truncated: the input ends inside a value, at the offset. string_too_long: a length says more than the input holds
// (offset of the length's first digit), which for a buffer that is still growing is the same news.
[[nodiscard]] std::string_view describe(Error e);

struct Failure {
  Error error;
  std::size_t offset;  // byte offset into the input
};

enum class Kind : std::uint8_t { integer, string, list, dict };

/// Private to this unit.
struct Token {
  std::uint32_t begin;  // offset of the first byte of this value's source
  std::uint32_t end;    // one past its last source byte
  std::uint32_t next;   // token index after this value and all its children
  Kind kind;
  std::uint8_t header;  // string: bytes of "<len>:" in front of the payload
};

class Document;

/// One value inside a Document; cheap to copy; valid while the Document and the parsed bytes live and no new parse()
/// ran.
class View {
 public:
  [[nodiscard]] Kind kind() const;
  [[nodiscard]] bool is_integer() const { return kind() == Kind::integer; }
  [[nodiscard]] bool is_string() const { return kind() == Kind::string; }
  [[nodiscard]] bool is_list() const { return kind() == Kind::list; }
  [[nodiscard]] bool is_dict() const { return kind() == Kind::dict; }

  /// nullopt when of another kind.
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  [[nodiscard]] std::optional<Bytes> string() const;
  [[nodiscard]] std::optional<std::string_view> text() const;

  /// Exact source bytes of this value (what an info-hash is made of).
  [[nodiscard]] Bytes raw() const;
  /// Offset of raw() in the input.
  [[nodiscard]] std::size_t offset() const;

  /// First value with that key; nullopt when no dict or no such key. Linear in the dict's entries.
  [[nodiscard]] std::optional<View> find(std::string_view key) const;
  [[nodiscard]] std::optional<std::int64_t> find_integer(std::string_view key) const;
  [[nodiscard]] std::optional<Bytes> find_string(std::string_view key) const;
  [[nodiscard]] std::optional<View> find_list(std::string_view key) const;
  [[nodiscard]] std::optional<View> find_dict(std::string_view key) const;

  /// Number of list items or dict entries (0 for scalars). Linear.
  [[nodiscard]] std::size_t size() const;

  /// Children in source order: list items; for a dict, keys and values alternate (see entries()).
  class Iterator {
   public:
    using value_type = View;
    using difference_type = std::ptrdiff_t;
    using iterator_category = std::forward_iterator_tag;
    Iterator() = default;
    View operator*() const { return View{doc_, index_}; }
    Iterator& operator++();
    Iterator operator++(int) {
      Iterator old = *this;
      ++*this;
      return old;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    friend class View;
    Iterator(const Document* doc, std::uint32_t index) : doc_(doc), index_(index) {}
    const Document* doc_ = nullptr;
    std::uint32_t index_ = 0;
  };
  [[nodiscard]] Iterator begin() const;
  [[nodiscard]] Iterator end() const;

  /// The items of the list under that key, or nothing when there is no such list. Write
  ///   for (View v : dict.items("values"))   and not   for (View v : *dict.find_list("values")):
  /// before C++23's P2718 (g++ 15) a range-for drops the optional before the first item is read.
  struct Range {
    Iterator first;
    Iterator last;
    [[nodiscard]] Iterator begin() const { return first; }
    [[nodiscard]] Iterator end() const { return last; }
  };
  [[nodiscard]] Range items(std::string_view key) const;

  /// Calls f(std::string_view key, View value) for each dict entry.
  template <class F>
  void for_each_entry(F&& f) const {
    if (!is_dict()) return;
    for (auto it = begin(); it != end(); ++it) {
      const std::string_view key = as_text(*(*it).string());
      ++it;
      f(key, *it);
    }
  }

 private:
  friend class Document;
  friend class Iterator;
  View(const Document* doc, std::uint32_t index) : doc_(doc), index_(index) {}
  const Document* doc_;
  std::uint32_t index_;
};

class Document {
 public:
  /// Input is at most 4 GiB - 1. The bytes must outlive the views.
  [[nodiscard]] std::expected<View, Failure> parse(Bytes input, const Limits& limits = Limits::wire());
  /// Of the last successful parse: one past the root value (less than the input with allow_trailing).
  [[nodiscard]] std::size_t consumed() const { return consumed_; }
  /// Of the last successful parse: some dict had unsorted or duplicate keys.
  [[nodiscard]] bool unsorted() const { return unsorted_; }
  /// Of the last successful parse: the value was in the one form that strict reading accepts.
  [[nodiscard]] bool canonical() const { return !unsorted_ && !padded_; }

 private:
  friend class View;
  friend class View::Iterator;
  // What the grammar allows next. The parser relies on the order: entry_value - 1 == key.
  enum class State : std::uint8_t { root, item, key, entry_value };
  struct Frame {
    std::uint32_t token;     // the open list or dict
    std::uint32_t last_key;  // token of the previous key; token itself: none yet
    State outer;             // what comes after this container has been closed
  };
  class Parser;

  Bytes input_;
  std::vector<Token> tokens_;  // sized to the high-water mark, not to the last parse
  std::vector<Frame> stack_;   // likewise
  std::size_t consumed_ = 0;
  bool unsorted_ = false;
  bool padded_ = false;  // leading zeros or -0 were read
};

// The walk over a list of peers is as hot as the parse itself: these are inline.
inline Kind View::kind() const { return doc_->tokens_[index_].kind; }
inline std::optional<Bytes> View::string() const {
  const Token& t = doc_->tokens_[index_];
  if (t.kind != Kind::string) return std::nullopt;
  return Bytes{doc_->input_.data() + t.begin + t.header, doc_->input_.data() + t.end};
}
inline View::Iterator& View::Iterator::operator++() {
  index_ = doc_->tokens_[index_].next;
  return *this;
}
// A scalar has its `next` right behind it: the range is empty without a question about the kind.
inline View::Iterator View::begin() const { return {doc_, index_ + 1}; }
inline View::Iterator View::end() const { return {doc_, doc_->tokens_[index_].next}; }

/// Appends canonical bencode to a byte vector. Keys of a dict must be given in strictly ascending order (asserted in
/// the outer kTracked levels). Nothing else may change the vector between a begin_dict() and its end().
class Writer {
 public:
  explicit Writer(ByteVector& out) : out_(&out) {}
  Writer& integer(std::int64_t v);
  Writer& string(Bytes v);
  Writer& string(std::string_view v) { return string(as_bytes(v)); }
  Writer& key(std::string_view k);
  Writer& begin_list();
  Writer& begin_dict();
  Writer& end();
  /// Already encoded bytes.
  Writer& raw(Bytes encoded);

 private:
  static constexpr std::size_t kTracked = 16;
  struct Level {
    std::size_t key_offset;  // of the last key's payload in *out_; 0: none yet (a payload never starts there)
    std::size_t key_size;
  };
  void put(char c) { out_->push_back(static_cast<std::uint8_t>(c)); }
  void put_decimal(std::int64_t v);
  Writer& open(char c);

  ByteVector* out_;
  std::size_t depth_ = 0;
  std::array<Level, kTracked> levels_;  // [0, depth_) is set
};

}  // namespace lodestone::wire::bencode
