// SPDX-License-Identifier: Apache-2.0
#include "magnet/metainfo.hpp"

#include <string>

#include <catch2/catch.hpp>

#include "wire/base/hash.hpp"

namespace lodestone::magnet {
namespace {

// Bencode by hand: what is tested is also what no writer would produce.
std::string str(const std::string& s) { return std::to_string(s.size()) + ":" + s; }
std::string num(const std::string& n) { return "i" + n + "e"; }
std::string num(std::uint64_t n) { return num(std::to_string(n)); }
std::string path_of(const std::vector<std::string>& elements) {
  std::string out = "l";
  for (const auto& e : elements) out += str(e);
  return out + "e";
}
std::string file(std::uint64_t size, const std::vector<std::string>& path, const std::string& attr = "") {
  return "d" + (attr.empty() ? "" : str("attr") + str(attr)) + str("length") + num(size) + str("path") + path_of(path) +
         "e";
}
std::string digests(std::size_t n) { return str(std::string(n * 20, 'h')); }

std::string single(std::uint64_t size, std::uint64_t piece_length, std::size_t pieces,
                   const std::string& name = "name") {
  return "d" + str("length") + num(size) + str("name") + str(name) + str("piece length") + num(piece_length) +
         str("pieces") + digests(pieces) + "e";
}
std::string multi(const std::string& files, std::uint64_t piece_length, std::size_t pieces,
                  const std::string& more = "") {
  return "d" + str("files") + "l" + files + "e" + str("name") + str("root") + str("piece length") + num(piece_length) +
         str("pieces") + digests(pieces) + more + "e";
}
std::string leaf(std::uint64_t size) {
  return "d" + str("") + "d" + str("length") + num(size) +
         (size > 0 ? str("pieces root") + str(std::string(32, 'r')) : "") + "ee";
}
std::string v2(const std::string& tree, const std::string& more = "", std::uint64_t piece_length = 16384) {
  return "d" + str("file tree") + tree + str("meta version") + num(2) + str("name") + str("root") +
         str("piece length") + num(piece_length) + more + "e";
}

Info good(const std::string& raw) {
  const auto info = parse_info(wire::as_bytes(raw));
  if (!info) FAIL(info.error().message << " at " << info.error().offset);
  return *info;
}
MetainfoError bad(const std::string& raw) {
  const auto info = parse_info(wire::as_bytes(raw));
  REQUIRE_FALSE(info);
  CHECK(info.error().message.find('\n') == std::string::npos);
  CHECK(info.error().offset <= raw.size());
  return info.error();
}
std::vector<std::string> joined(const Info& info) {
  std::vector<std::string> out;
  for (const auto& f : info.files) out.push_back(f.joined());
  return out;
}

TEST_CASE("a single file") {
  const std::string raw = single(40'000, 16'384, 3);
  const Info info = good(raw);
  CHECK(info.name == "name");
  CHECK(info.single_file);
  CHECK(joined(info) == std::vector<std::string>{"name"});
  CHECK(info.total_size() == 40'000);
  CHECK(info.piece_count() == 3);
  CHECK(info.info_hash == wire::InfoHash(wire::sha1(wire::as_bytes(raw))));
  CHECK_FALSE(info.info_hash_v2);
  CHECK_FALSE(info.is_private);
  REQUIRE(info.manifest);
  CHECK(info.manifest->pieces.size() == 3);
  CHECK(wire::as_text(info.manifest->info_dict) == raw);
}

TEST_CASE("many files with a pad, an empty file and attributes") {
  const Info info = good(multi(file(10, {"a"}, "x") + file(16'374, {".pad", "16374"}, "p") + file(0, {"empty"}) +
                                   file(5, {"d", "ü", "b"}) + "d" + str("attr") + str("l") + str("path") +
                                   path_of({"link"}) + str("symlink path") + path_of({"..", "a"}) + "e",
                               16'384, 2, str("private") + num(1)));
  CHECK(info.is_private);
  CHECK_FALSE(info.single_file);
  REQUIRE(info.files.size() == 5);
  CHECK(joined(info) == std::vector<std::string>{"root/a", "root/.pad/16374", "root/empty", "root/d/ü/b", "root/link"});
  CHECK(info.files[0].executable);
  CHECK(info.files[1].pad);
  CHECK(info.files[3].offset == 16'384);
  CHECK(info.files[4].pad);  // nothing on disk, and the indices after it stay true
  CHECK(info.files[4].size == 0);
  CHECK(info.total_size() == 15);
}

TEST_CASE("D1 paths of strangers come out clean and different") {
  const Info info = good(multi(file(1, {"..", "..", "etc"}) + file(1, {"A"}) + file(1, {"a"}) + file(1, {"a", "/b"}) +
                                   file(1, {"p"}, "p") + file(1, {"p"}),
                               16'384, 1));
  CHECK(joined(info) ==
        std::vector<std::string>{"root/_/_/etc", "root/A", "root/a (2)", "root/a (3)/_b", "root/p (2)", "root/p"});
  CHECK(good(single(1, 16'384, 1, "../x")).name == ".._x");
  CHECK(good(single(1, 16'384, 1, "..")).files[0].path == std::vector<std::string>{"_"});
}

TEST_CASE("UTF-8 variants of names go before the others") {
  const Info info = good("d" + str("files") + "ld" + str("length") + num(1) + str("path") + path_of({"\xe4"}) +
                         str("path.utf-8") + path_of({"ä"}) + "ee" + str("name") + str("\xf6") + str("name.utf-8") +
                         str("ö") + str("piece length") + num(16'384) + str("pieces") + digests(1) + "e");
  CHECK(joined(info) == std::vector<std::string>{"ö/ä"});
}

TEST_CASE("P2 geometry is checked before anything is believed") {
  CHECK(bad(single(1, 0, 1)).message.find("piece length") != std::string::npos);
  bad("d" + str("length") + num(1) + str("name") + str("n") + str("piece length") + num("-1") + str("pieces") +
      digests(1) + "e");
  bad(single(1, (512u << 20) + 1, 1));
  CHECK(good(single(1, 512u << 20, 1)).piece_length == 512u << 20);
  CHECK(bad(single(2'000'001, 1, 0)).message.find("2 million") != std::string::npos);
  CHECK(bad(single(16'385, 16'384, 1)).message == "pieces has 1 hashes where the files need 2");
  bad(single(16'384, 16'384, 2));
  bad("d" + str("length") + num(1) + str("name") + str("n") + str("piece length") + num(16'384) + str("pieces") +
      str("short") + "e");
  const std::string huge = "9223372036854775807";
  const std::string huge_file = "d" + str("length") + num(huge) + str("path") + path_of({"a"}) + "e";
  CHECK(bad(multi(huge_file + huge_file + huge_file, 16'384, 1)).message.find("add up") != std::string::npos);
  bad("d" + str("length") + num("-1") + str("name") + str("n") + str("piece length") + num(16'384) + str("pieces") +
      digests(0) + "e");
  CHECK(good(single(0, 16'384, 0)).piece_count() == 0);
}

TEST_CASE("what is missing or of a wrong kind is named with its place") {
  CHECK(bad("i1e").message == "info is no dictionary");
  CHECK(bad("de").message == "the info dictionary has no pieces");
  CHECK(bad("d" + str("pieces") + num(1) + "e").message == "the info dictionary has no name");
  CHECK(bad(multi("", 16'384, 0)).message == "the list of files is empty");
  const std::string number = multi("i7e", 16'384, 0);
  CHECK(bad(number).offset == number.find("i7e"));
  const std::string no_path = multi("d" + str("length") + num(1) + "e", 16'384, 1);
  CHECK(bad(no_path).message == "a file has no path");
  bad(multi(file(1, {}), 16'384, 1));
  bad(multi(file(1, std::vector<std::string>(100, "d")), 16'384, 1));
  bad(single(1, 16'384, 1) + "x");
  CHECK(bad("d4:name").offset == 7);
}

TEST_CASE("v2 trees are flattened") {
  const std::string raw =
      v2("d" + str("a") + leaf(20'000) + str("d") + "d" + str("b") + leaf(0) + str("c") + leaf(1) + "ee");
  const Info info = good(raw);
  CHECK_FALSE(info.info_hash);
  CHECK(info.info_hash_v2 == wire::sha256(wire::as_bytes(raw)));
  CHECK_FALSE(info.manifest);
  CHECK(joined(info) == std::vector<std::string>{"root/a", "root/d/b", "root/d/c"});
  CHECK(info.piece_count() == 3);
  CHECK(info.total_size() == 20'001);
  const Info one = good(v2("d" + str("root") + leaf(1) + "e"));
  CHECK(one.single_file);
  CHECK(joined(one) == std::vector<std::string>{"root"});
}

TEST_CASE("hybrid torrents are checked on both sides") {
  const std::string tree = "d" + str("a") + leaf(20'000) + str("b") + leaf(5) + "e";
  const auto hybrid = [&](const std::string& files, std::size_t pieces) {
    return "d" + str("file tree") + tree + str("files") + "l" + files + "e" + str("meta version") + num(2) +
           str("name") + str("root") + str("piece length") + num(16'384) + str("pieces") + digests(pieces) + "e";
  };
  const Info info = good(hybrid(file(20'000, {"a"}) + file(12'768, {".pad", "12768"}, "p") + file(5, {"b"}), 3));
  CHECK(info.info_hash);
  CHECK(info.info_hash_v2);
  CHECK(info.manifest);
  CHECK(info.total_size() == 20'005);
  CHECK(bad(hybrid(file(20'000, {"a"}) + file(12'768, {"p"}, "p") + file(6, {"b"}), 3)).message.find("hybrid") !=
        std::string::npos);
  bad(hybrid(file(20'000, {"a"}) + file(12'768, {"p"}, "p") + file(5, {"c"}), 3));
  bad(hybrid(file(20'000, {"a"}) + file(12'768, {"p"}, "p"), 2));
  bad(hybrid(file(20'000, {"a"}) + file(5, {"b"}), 2));  // not on a piece boundary
}

TEST_CASE("malformed v2 trees") {
  bad(v2("de"));
  bad(v2("i1e"));
  bad(v2("d" + str("a") + num(1) + "e"));
  bad(v2("d" + str("") + leaf(1) + "e"));
  bad(v2("d" + str("a") + "d" + str("") + "d" + str("length") + num(1) + "e" + str("b") + leaf(1) + "ee"));
  bad(v2("d" + str("a") + "d" + str("") + "d" + str("length") + num(1) + "eee"));  // no root
  bad(v2("d" + str("a") + leaf(1) + "e", "", 16'383));
  bad(v2("d" + str("a") + leaf(1) + "e", "", 49'152));
  bad(v2("d" + str("a") + leaf(std::uint64_t{1} << 62) + "e"));
  CHECK(bad("d" + str("meta version") + num(3) + "e").message == "an unknown meta version");
  // A deep directory with many files: the paths would be far larger than the input.
  std::string deep = "d";
  for (int i = 0; i < 40'000; ++i) deep += str(std::to_string(100'000 + i)) + leaf(0);
  deep += "e";
  for (int i = 0; i < 90; ++i) deep = "d" + str("d") + deep + "e";
  CHECK(bad(v2(deep)).message.find("room") != std::string::npos);
}

TEST_CASE("a torrent file") {
  const std::string info = single(1, 16'384, 1);
  const std::string text = "d" + str("announce") + str("http://a") + str("announce-list") + "ll" + str("http://b") +
                           str("http://c") + "elee" + str("comment") + str("hello\xff") + str("created by") +
                           str("me") + str("creation date") + num(7) + str("info") + info + str("nodes") + "l" + "l" +
                           str("h") + num(1) + "el" + str("::1") + num(2) + "el" + str("x") + "ee" + str("url-list") +
                           str("http://w") + "e";
  const auto parsed = parse_torrent(wire::as_bytes(text));
  REQUIRE(parsed);
  CHECK(parsed->info.info_hash == wire::InfoHash(wire::sha1(wire::as_bytes(info))));
  CHECK(wire::as_text(parsed->raw_info) == info);
  CHECK(parsed->trackers == std::vector<std::vector<std::string>>{{"http://b", "http://c"}});
  CHECK(parsed->webseeds == std::vector<std::string>{"http://w"});
  CHECK(parsed->nodes == std::vector<HostPort>{{"h", 1}, {"::1", 2}});
  CHECK(parsed->comment == "hello\xEF\xBF\xBD");
  CHECK(parsed->created_by == "me");
  CHECK(parsed->created == 7);
  CHECK_FALSE(parsed->trailing_bytes);
  CHECK(parsed->magnet().trackers == std::vector<std::string>{"http://b", "http://c"});
  CHECK(parse_torrent(wire::as_bytes(text + "\n"))->trailing_bytes);
  CHECK(parse_magnet(parsed->magnet().to_uri())->info_hash == parsed->info.info_hash);
}

TEST_CASE("errors inside a torrent file count from the start of the file") {
  const std::string text = "d" + str("info") + single(1, 16'384, 2) + "e";
  const auto parsed = parse_torrent(wire::as_bytes(text));
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().offset == text.find("40:hhh"));
  CHECK(parse_torrent(wire::as_bytes("d4:infoi1ee")).error().offset == 7);
  CHECK(parse_torrent(wire::as_bytes("le")).error().message == "a torrent file is a dictionary");
  CHECK(parse_torrent(wire::as_bytes("de")).error().message == "the torrent has no info dictionary");
  CHECK_FALSE(parse_torrent({}));
}

TEST_CASE("M4 a wrapped info dictionary keeps its bytes and its hash") {
  // Keys out of order: a re-encoding would hash to something else.
  const std::string raw = "d" + str("name") + str("n") + str("length") + num(1) + str("pieces") + digests(1) +
                          str("piece length") + num(16'384) + "e";
  MagnetUri source;
  source.trackers = {"http://a", "http://b"};
  source.nodes = {{"h", 1}};
  source.webseeds = {"http://w"};
  const auto file = wrap_info(wire::as_bytes(raw), source);
  const auto parsed = parse_torrent(file);
  REQUIRE(parsed);
  CHECK(wire::as_text(parsed->raw_info) == raw);
  CHECK(parsed->info.info_hash == good(raw).info_hash);
  CHECK(parsed->trackers == std::vector<std::vector<std::string>>{{"http://a"}, {"http://b"}});
  CHECK(parsed->nodes == source.nodes);
  CHECK(parsed->webseeds == source.webseeds);
  CHECK(parse_torrent(wrap_info(wire::as_bytes(raw), {})));
}

}  // namespace
}  // namespace lodestone::magnet
