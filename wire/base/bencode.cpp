// SPDX-License-Identifier: Apache-2.0
#include "wire/base/bencode.hpp"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstring>
#include <limits>

namespace lodestone::wire::bencode {
namespace {

constexpr std::size_t kFirstTokens = 128;  // 2 KiB: most DHT packets fit at once

/// 0..9, or more when c is no digit.
inline std::uint32_t digit(std::uint8_t c) { return std::uint32_t{c} - '0'; }

/// Three-way order of raw byte strings. Keys of one dict mostly differ in the first byte already.
inline int order(Bytes a, Bytes b) {
  if (!a.empty() && !b.empty() && a[0] != b[0]) return a[0] < b[0] ? -1 : 1;
  const std::size_t n = std::min(a.size(), b.size());
  const int c = n == 0 ? 0 : std::memcmp(a.data(), b.data(), n);
  if (c != 0) return c;
  return a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}

}  // namespace

std::string_view describe(Error e) {
  switch (e) {
    case Error::truncated: return "the input ends inside a value";
    case Error::unexpected_byte: return "a byte that starts no value";
    case Error::bad_integer: return "a malformed integer";
    case Error::integer_overflow: return "an integer of more than 64 bits";
    case Error::bad_length: return "a malformed string length";
    case Error::string_too_long: return "a string longer than the input";
    case Error::too_deep: return "lists or dictionaries nested too deep";
    case Error::too_many_tokens: return "too many values";
    case Error::key_not_string: return "a dictionary key that is not a string";
    case Error::missing_value: return "a dictionary key without a value";
    case Error::trailing_bytes: return "bytes after the end of the value";
    case Error::unsorted_keys: return "dictionary keys out of order";
    case Error::duplicate_key: return "a dictionary key given twice";
    case Error::leading_zero: return "a number with a leading zero or a negative zero";
    case Error::input_too_large: return "an input of 4 GiB or more";
  }
  return "an unknown error";
}

// One run over the input. Kept apart from Document so that its cursor can live in registers: everything that the loop
// changes is a local of run() or of an inlined helper.
class Document::Parser {
 public:
  Parser(Document& doc, Bytes input, const Limits& limits)
      : doc_(doc), limits_(limits), base_(input.data()), end_(input.data() + input.size()) {}

  /// Parses one value from the front. True: `at` is one past it. False: `error` and `at` say what is wrong and where.
  bool run();

  const std::uint8_t* at = nullptr;
  Error error = Error::truncated;
  bool unsorted = false;
  bool padded = false;

 private:
  bool fail(Error e, const std::uint8_t* where) {
    error = e;
    at = where;
    return false;
  }
  std::uint32_t offset(const std::uint8_t* p) const { return static_cast<std::uint32_t>(p - base_); }
  bool grow(const std::uint8_t* p);
  bool scan_long_length(const std::uint8_t* p, const std::uint8_t*& payload, std::uint64_t& size);
  bool scan_integer(const std::uint8_t* p, const std::uint8_t*& after);
  bool check_key(const Token& last, const Token& key);
  const std::uint8_t* repeat_string(const std::uint8_t* p, Token* tokens, std::uint32_t& count,
                                    std::uint32_t room) const;

  Document& doc_;
  const Limits& limits_;
  const std::uint8_t* base_;
  const std::uint8_t* end_;
};

/// More room for tokens: doubled, within the limit.
bool Document::Parser::grow(const std::uint8_t* p) {
  const std::size_t have = doc_.tokens_.size();
  if (have >= limits_.tokens) return fail(Error::too_many_tokens, p);
  doc_.tokens_.resize(std::min<std::size_t>(limits_.tokens, std::max(kFirstTokens, have * 2)));
  return true;
}

/// A string length of any form; p is at its first digit.
bool Document::Parser::scan_long_length(const std::uint8_t* p, const std::uint8_t*& payload, std::uint64_t& size) {
  constexpr std::ptrdiff_t kMostDigits = 20;  // so that a Token's header stays small
  const std::uint8_t* const first = p;
  const auto input_size = static_cast<std::uint64_t>(end_ - base_);
  size = 0;
  for (; p != end_ && digit(*p) <= 9; ++p) {
    if (p - first == kMostDigits) return fail(Error::bad_length, first);
    size = size * 10 + digit(*p);
    // Checked at every digit: no later one can make it smaller, and so it cannot overflow.
    if (size > input_size) return fail(Error::string_too_long, first);
  }
  if (p == end_) return fail(Error::truncated, p);
  if (*p != ':') return fail(Error::bad_length, p);
  if (*first == '0' && p - first > 1) {
    if (limits_.strict) return fail(Error::leading_zero, first);
    padded = true;
  }
  payload = p + 1;
  if (size > static_cast<std::uint64_t>(end_ - payload)) return fail(Error::string_too_long, first);
  return true;
}

/// "i<number>e"; p is at the 'i'.
bool Document::Parser::scan_integer(const std::uint8_t* p, const std::uint8_t*& after) {
  const std::uint8_t* const start = p++;
  if (p == end_) return fail(Error::truncated, p);
  const bool negative = *p == '-';
  if (negative && ++p == end_) return fail(Error::truncated, p);
  const std::uint8_t* const first = p;
  const std::uint64_t limit = (std::uint64_t{1} << 63) - (negative ? 0 : 1);
  std::uint64_t value = 0;
  for (; p != end_ && digit(*p) <= 9; ++p) {
    const std::uint64_t d = digit(*p);
    if (value > (limit - d) / 10) return fail(Error::integer_overflow, start);
    value = value * 10 + d;
  }
  if (p == end_) return fail(Error::truncated, p);
  if (*p != 'e' || p == first) return fail(Error::bad_integer, p);
  if (*first == '0' && (p - first > 1 || negative)) {
    if (limits_.strict) return fail(Error::leading_zero, first);
    padded = true;
  }
  after = p + 1;
  return true;
}

bool Document::Parser::check_key(const Token& last, const Token& key) {
  const auto payload = [this](const Token& t) { return Bytes{base_ + t.begin + t.header, base_ + t.end}; };
  const int c = order(payload(last), payload(key));
  if (c < 0) return true;
  if (limits_.strict) return fail(c == 0 ? Error::duplicate_key : Error::unsorted_keys, base_ + key.begin);
  unsorted = true;
  return true;
}

/// The items that follow tokens[count - 1], an item with a short length of one or two digits, and have the same length:
/// such as the 50 peers of a get_peers reply, most of what a busy node reads. Where the next item begins does not
/// depend on what was just loaded, only on a guess that the loop confirms, so that the processor can run ahead.
inline const std::uint8_t* Document::Parser::repeat_string(const std::uint8_t* p, Token* tokens, std::uint32_t& count,
                                                           std::uint32_t room) const {
  const Token& model = tokens[count - 1];
  const std::uint32_t stride = model.end - model.begin;
  const std::uint8_t header = model.header;
  if (header > 3) return p;
  const std::uint8_t* const head = base_ + model.begin;
  const std::uint8_t first = head[0];
  const std::uint8_t second = head[1];
  std::uint32_t n = count;
  while (n != room && end_ - p >= static_cast<std::ptrdiff_t>(stride) && p[0] == first && p[1] == second &&
         p[header - 1] == ':') {
    tokens[n] = {offset(p), offset(p) + stride, n + 1, Kind::string, header};
    ++n;
    p += stride;
  }
  count = n;
  return p;
}

bool Document::Parser::run() {
  const std::uint8_t* p = base_;
  std::uint32_t count = 0;  // tokens so far
  std::uint32_t depth = 0;
  State state = State::root;
  Token* tokens = doc_.tokens_.data();
  auto room = static_cast<std::uint32_t>(std::min<std::size_t>(doc_.tokens_.size(), limits_.tokens));
  do {
    if (p == end_) return fail(Error::truncated, p);
    const std::uint8_t c = *p;
    if (count == room && c != 'e') {
      if (!grow(p)) return false;
      tokens = doc_.tokens_.data();
      room = static_cast<std::uint32_t>(doc_.tokens_.size());
    }

    if (digit(c) <= 9) {
      const std::uint8_t* payload;
      std::uint64_t size;
      const std::ptrdiff_t left = end_ - p;
      if (left > 2 && p[1] == ':' && digit(c) <= static_cast<std::uint64_t>(left - 2)) {
        payload = p + 2;
        size = digit(c);
      } else if (left > 3 && p[2] == ':' && c != '0' && digit(p[1]) <= 9 &&
                 digit(c) * 10 + digit(p[1]) <= static_cast<std::uint64_t>(left - 3)) {
        payload = p + 3;
        size = digit(c) * 10 + digit(p[1]);
      } else if (!scan_long_length(p, payload, size)) {
        return false;
      }
      const std::uint8_t* const after = payload + size;
      tokens[count] = {offset(p), offset(after), count + 1, Kind::string, static_cast<std::uint8_t>(payload - p)};
      p = after;
      if (state == State::key) {
        Frame& frame = doc_.stack_[depth - 1];
        if (frame.last_key != frame.token && !check_key(tokens[frame.last_key], tokens[count])) return false;
        frame.last_key = count++;
        state = State::entry_value;
        continue;
      }
      ++count;
      if (state == State::item) p = repeat_string(p, tokens, count, room);
    } else if (c == 'e') {
      if (state == State::root) return fail(Error::unexpected_byte, p);
      if (state == State::entry_value) return fail(Error::missing_value, p);
      const Frame& frame = doc_.stack_[--depth];
      ++p;
      tokens[frame.token].end = offset(p);
      tokens[frame.token].next = count;
      state = frame.outer;
    } else if (c != 'i' && c != 'l' && c != 'd') {
      return fail(Error::unexpected_byte, p);
    } else if (state == State::key) {
      return fail(Error::key_not_string, p);
    } else if (c == 'i') {
      const std::uint8_t* after;
      if (!scan_integer(p, after)) return false;
      tokens[count] = {offset(p), offset(after), count + 1, Kind::integer, 0};
      ++count;
      p = after;
    } else {
      if (depth == limits_.depth) return fail(Error::too_deep, p);
      if (depth == doc_.stack_.size()) doc_.stack_.resize(std::max<std::size_t>(16, depth * std::size_t{2}));
      doc_.stack_[depth++] = {count, count, state};
      tokens[count] = {offset(p), 0, 0, c == 'd' ? Kind::dict : Kind::list, 0};
      ++count;
      ++p;
      state = c == 'd' ? State::key : State::item;
      continue;
    }
    // A value is complete: in a dict the next thing is a key again.
    if (state == State::entry_value) state = State::key;
  } while (depth != 0);
  at = p;
  return true;
}

std::expected<View, Failure> Document::parse(Bytes input, const Limits& limits) {
  input_ = input;
  if (input.size() > std::numeric_limits<std::uint32_t>::max()) {
    return std::unexpected(Failure{Error::input_too_large, std::numeric_limits<std::uint32_t>::max()});
  }
  Parser parser{*this, input, limits};
  const bool good = parser.run();
  const auto at = static_cast<std::size_t>(parser.at - input.data());
  if (!good) return std::unexpected(Failure{parser.error, at});
  if (at != input.size() && !limits.allow_trailing) return std::unexpected(Failure{Error::trailing_bytes, at});
  consumed_ = at;
  unsorted_ = parser.unsorted;
  padded_ = parser.padded;
  return View{this, 0};
}

std::optional<std::int64_t> View::integer() const {
  if (!is_integer()) return std::nullopt;
  // The parser has checked the form and the range; only the sign and the digits are left to read. Negative values are
  // built downwards, because the smallest one has no positive counterpart.
  const Bytes source = raw();
  const std::uint8_t* p = source.data() + 1;
  std::int64_t value = 0;
  if (*p == '-') {
    while (*++p != 'e') value = value * 10 - (*p - '0');
  } else {
    for (; *p != 'e'; ++p) value = value * 10 + (*p - '0');
  }
  return value;
}

std::optional<std::string_view> View::text() const {
  const auto s = string();
  if (!s) return std::nullopt;
  return as_text(*s);
}

Bytes View::raw() const {
  const Token& t = doc_->tokens_[index_];
  return {doc_->input_.data() + t.begin, doc_->input_.data() + t.end};
}

std::size_t View::offset() const { return doc_->tokens_[index_].begin; }

std::optional<View> View::find(std::string_view key) const {
  const Token* const tokens = doc_->tokens_.data();
  const Token& self = tokens[index_];
  if (self.kind != Kind::dict) return std::nullopt;
  const std::uint8_t* const base = doc_->input_.data();
  for (std::uint32_t i = index_ + 1; i != self.next; i = tokens[i + 1].next) {
    const Token& k = tokens[i];
    const std::size_t size = k.end - k.begin - k.header;
    if (size == key.size() && as_text({base + k.begin + k.header, size}) == key) return View{doc_, i + 1};
  }
  return std::nullopt;
}

std::optional<std::int64_t> View::find_integer(std::string_view key) const {
  const auto v = find(key);
  return v ? v->integer() : std::nullopt;
}

std::optional<Bytes> View::find_string(std::string_view key) const {
  const auto v = find(key);
  return v ? v->string() : std::nullopt;
}

std::optional<View> View::find_list(std::string_view key) const {
  auto v = find(key);
  if (v && !v->is_list()) v.reset();
  return v;
}

std::optional<View> View::find_dict(std::string_view key) const {
  auto v = find(key);
  if (v && !v->is_dict()) v.reset();
  return v;
}

View::Range View::items(std::string_view key) const {
  const auto list = find_list(key);
  return list ? Range{list->begin(), list->end()} : Range{};
}

std::size_t View::size() const {
  std::size_t n = 0;
  for (auto it = begin(); it != end(); ++it) ++n;
  return is_dict() ? n / 2 : n;
}

void Writer::put_decimal(std::int64_t v) {
  std::array<char, 20> digits;  // "-9223372036854775808"
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), v).ptr;
  out_->insert(out_->end(), digits.data(), end);
}

Writer& Writer::integer(std::int64_t v) {
  put('i');
  put_decimal(v);
  put('e');
  return *this;
}

Writer& Writer::string(Bytes v) {
  put_decimal(static_cast<std::int64_t>(v.size()));
  put(':');
  out_->insert(out_->end(), v.begin(), v.end());
  return *this;
}

Writer& Writer::key(std::string_view k) {
  string(as_bytes(k));
  if (depth_ > 0 && depth_ <= kTracked) {
    Level& level = levels_[depth_ - 1];
    const Level now{out_->size() - k.size(), k.size()};
    const auto text = [this](const Level& l) { return Bytes{*out_}.subspan(l.key_offset, l.key_size); };
    assert(level.key_offset == 0 || order(text(level), text(now)) < 0);
    (void)text;
    level = now;
  }
  return *this;
}

Writer& Writer::open(char c) {
  put(c);
  if (depth_ < kTracked) levels_[depth_] = {0, 0};
  ++depth_;
  return *this;
}

Writer& Writer::begin_list() { return open('l'); }
Writer& Writer::begin_dict() { return open('d'); }

Writer& Writer::end() {
  if (depth_ > 0) --depth_;
  put('e');
  return *this;
}

Writer& Writer::raw(Bytes encoded) {
  out_->insert(out_->end(), encoded.begin(), encoded.end());
  return *this;
}

}  // namespace lodestone::wire::bencode
