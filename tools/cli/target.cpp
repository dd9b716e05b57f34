// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/target.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <istream>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace lodestone::tools {
namespace {

Failure from_errno(int code, const std::string& path) {
  const bool absent = code == ENOENT || code == ENOTDIR;
  return {
      absent ? ExitCode::usage : ExitCode::storage, path,
      absent ? "there is no such file" : std::generic_category().message(code),
      absent || code == EISDIR ? "Give a file, an info-hash or a magnet link" : "Make it readable, or give another"};
}

Failure too_large(const std::string& path, std::uint64_t limit) {
  return {ExitCode::bad_input, path, fmt::format("larger than {} bytes", limit), ""};
}

/// Reads until the end or one byte past the limit. read: (buffer, size) -> bytes, 0 at the end, -1 with errno.
template <class Read>
std::expected<wire::ByteVector, Failure> read_all(Read read, const std::string& path, std::uint64_t limit) {
  wire::ByteVector bytes;
  std::size_t used = 0;
  for (;;) {
    if (used == bytes.size()) bytes.resize(std::max<std::size_t>(64 * 1024, used * 2));
    const auto got = read(bytes.data() + used, bytes.size() - used);
    if (got < 0) return std::unexpected(from_errno(errno, path));
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
    if (used > limit) return std::unexpected(too_large(path, limit));
  }
  bytes.resize(used);
  return bytes;
}

std::expected<wire::ByteVector, Failure> read_stdin(Context& context, std::uint64_t limit) {
  const auto read = [&context](std::uint8_t* into, std::size_t size) -> std::ptrdiff_t {
    context.in.read(reinterpret_cast<char*>(into), static_cast<std::streamsize>(size));
    return static_cast<std::ptrdiff_t>(context.in.gcount());
  };
  return read_all(read, "stdin", limit);
}

std::expected<wire::ByteVector, Failure> read_file(const std::string& path, std::uint64_t limit) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (file < 0) return std::unexpected(from_errno(errno, path));
  const auto read = [file](std::uint8_t* into, std::size_t size) -> std::ptrdiff_t {
    std::ptrdiff_t got;
    do got = ::read(file, into, size);
    while (got < 0 && errno == EINTR);
    return got;
  };
  auto result = read_all(read, path, limit);
  ::close(file);
  return result;
}

std::expected<Target, Failure> from_torrent(wire::Bytes bytes, std::string subject, Context& context) {
  auto parsed = magnet::parse_torrent(bytes);
  if (!parsed) {
    const std::string cause = fmt::format("{} at byte {}", parsed.error().message, parsed.error().offset);
    return std::unexpected(Failure{ExitCode::bad_input, std::move(subject), cause, ""});
  }
  if (parsed->trailing_bytes) context.out.warn(subject + ": bytes after the torrent's dictionary are ignored");
  Target target;
  target.subject = std::move(subject);
  target.uri = parsed->magnet();
  target.info = std::make_shared<const magnet::Info>(parsed->info);
  target.torrent = *std::move(parsed);
  return target;
}

std::string hash_of(const magnet::MagnetUri& uri) {
  if (uri.info_hash) return uri.info_hash->hex();
  if (uri.info_hash_v2) return wire::to_hex(*uri.info_hash_v2);
  return "magnet";
}

std::expected<Target, Failure> from_uri(std::string_view text) {
  auto parsed = magnet::parse_target(text);
  if (!parsed) {
    const std::string cause = fmt::format("{} at byte {}", parsed.error().message, parsed.error().offset);
    return std::unexpected(Failure{ExitCode::bad_input, "magnet", cause, ""});
  }
  Target target;
  target.subject = hash_of(*parsed);
  target.uri = *std::move(parsed);
  return target;
}

bool is_magnet(std::string_view text) {
  constexpr std::string_view kScheme = "magnet:";
  if (text.size() < kScheme.size()) return false;
  for (std::size_t i = 0; i < kScheme.size(); ++i)
    if ((text[i] | 0x20) != kScheme[i] && text[i] != kScheme[i]) return false;
  return true;
}

}  // namespace

std::expected<wire::ByteVector, Failure> read_input(const std::string& path, Context& context, bool allow_stdin,
                                                    std::uint64_t limit) {
  if (allow_stdin && path == "-") return read_stdin(context, limit);
  return read_file(path, limit);
}

std::expected<Target, Failure> read_target(const std::string& text, Context& context, bool allow_stdin) {
  if (is_magnet(text) || magnet::parse_target(text)) return from_uri(text);
  if (!allow_stdin || text != "-") return read_torrent(text, context);
  auto bytes = read_stdin(context, kMaxTorrentFile);
  if (!bytes) return std::unexpected(std::move(bytes.error()));
  // A torrent starts with 'd'; everything else on stdin is a link or a hash, as a line of text.
  std::string_view line = wire::as_text(*bytes);
  while (!line.empty() && std::string_view(" \t\r\n").contains(line.back())) line.remove_suffix(1);
  while (!line.empty() && std::string_view(" \t\r\n").contains(line.front())) line.remove_prefix(1);
  if (is_magnet(line) || magnet::parse_target(line)) return from_uri(line);
  return from_torrent(*bytes, "stdin", context);
}

std::expected<Target, Failure> read_torrent(const std::string& path, Context& context, bool allow_stdin) {
  auto bytes = read_input(path, context, allow_stdin, kMaxTorrentFile);
  if (!bytes) return std::unexpected(std::move(bytes.error()));
  return from_torrent(*bytes, allow_stdin && path == "-" ? "stdin" : path, context);
}

}  // namespace lodestone::tools
