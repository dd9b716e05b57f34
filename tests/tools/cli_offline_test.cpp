// SPDX-License-Identifier: Apache-2.0
// The offline commands as scripts see them: exit codes, streams, documents.
#include <sys/stat.h>

#include <filesystem>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/tools/cli_bench.hpp"

namespace lodestone::tools {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

const std::string kHex = "0123456789abcdef0123456789abcdef01234567";
const std::string kInfo = "d6:lengthi1e4:name1:n12:piece lengthi16384e6:pieces20:hhhhhhhhhhhhhhhhhhhhe";
const std::string kTorrent = "d4:info" + kInfo + "e";

Environment dated(const std::string& epoch) {
  Environment e;
  e.variables["SOURCE_DATE_EPOCH"] = epoch;
  return e;
}

// --- the frame ---

TEST_CASE("help and version are results") {
  CHECK(run_cli({"--version"}).out == "lodestone 0.1.0\n");
  const Ran help = run_cli({"--help"});
  CHECK(help.code == 0);
  CHECK(help.out.find("--bootstrap") != std::string::npos);
  CHECK(help.out.find("create") != std::string::npos);
  CHECK(help.err.empty());
  CHECK(run_cli({"show", "--help"}).out.find("FILE|MAGNET") != std::string::npos);
}

TEST_CASE("a bad command line is exit 2 and one line") {
  const std::vector<std::vector<std::string>> bad = {
      {},
      {"frobnicate"},
      {"--frobnicate"},
      {"show"},
      {"show", "a", "b"},
      {"magnet"},
      {"magnet", "frobnicate"},
      {"show", "--no-such-option", "x"},
      {"--timeout", "soon", "show", "x"},
      {"--peer", "nowhere", "show", "x"},
      {"--listen", "here", "show", "x"},
      {"--progress", "loud", "show", "x"},
      {"--progress", "1", "show", "x"},
      {"--bootstrap", "a:1,b", "show", "x"},
      {"-4", "-6", "show", "x"},
      {"-4", "show", "x", "-6"},
      {"create", "x", "--piece-length", "20000"},
      {"create", "x", "--node", "x"},
      {"show", "no-such-file.torrent"},
      {"create", "no-such-file"},
      {"bdecode", "no-such-file"},
  };
  for (const auto& args : bad) {
    CAPTURE(args);
    const Ran ran = run_cli(args);
    CHECK(ran.code == 2);
    CHECK(ran.out.empty());
    CHECK(ran.err.starts_with("error: "));
    CHECK(ran.err.find('\n') == ran.err.size() - 1);
  }
  CHECK(run_cli({"frobnicate"}).err.find("no command 'frobnicate'") != std::string::npos);
  CHECK(run_cli({"--timeout", "soon", "show", "x"}).err.find("--timeout") != std::string::npos);
}

TEST_CASE("with --json the last line of a failure is the exit record") {
  for (const auto& args : std::vector<std::vector<std::string>>{{"--json", "frobnicate"},
                                                                {"show", "--json"},
                                                                {"--json", "show", "nowhere"},
                                                                {"show", "nowhere", "--json"}}) {
    CAPTURE(args);
    const Ran ran = run_cli(args);
    CHECK(ran.code == 2);
    CHECK(ran.err.starts_with("error: "));
    const Json record = Json::parse(last_line(ran.err));
    CHECK(record["type"] == "exit");
    CHECK(record["code"] == 2);
    CHECK(record["error"] == "usage");
    CHECK(record["message"].is_string());
  }
  const Ran ran = run_cli({"--json", "magnet", "parse", "magnet:?xt=urn:btih:xyz"});
  CHECK(ran.code == 11);
  CHECK(ran.out.empty());
  CHECK(
      last_line(ran.err) ==
      R"({"type":"exit","code":11,"error":"bad-input","message":"magnet: xt: urn:btih: needs 40 hex or 32 base32 digits at byte 11."})");
  CHECK(run_cli({"--json", "magnet", "parse", "magnet:?xt=urn:btih:" + kHex}).err.empty());
}

TEST_CASE("global flags are accepted before and after a command, repeatable ones take one value each") {
  TemporaryDirectory dir;
  const std::string path = dir.write("a.torrent", kTorrent);
  const Ran before = run_cli(
      {"--json", "--peer", "1.2.3.4:5", "--peer", "h:6", "--listen", "[::1]:7", "--listen", "::", "show", path});
  const Ran after =
      run_cli({"show", path, "--json", "--bootstrap", "a:1,b:2", "-vv", "--timeout", "5m", "--color=never", "-4"});
  CHECK(before.code == 0);
  CHECK(after.code == 0);
  CHECK(before.out == after.out);
  CHECK(run_cli({"magnet", "make", path, "--json"}).out.starts_with("{\"type\":\"magnet\""));
}

TEST_CASE("a file may be called like a command") {
  TemporaryDirectory dir;
  const std::string path = dir.write("show", kTorrent);
  const auto old = fs::current_path();
  fs::current_path(fs::path(path).parent_path());
  CHECK(run_cli({"show", "show"}).code == 0);
  CHECK(run_cli({"magnet", "make", "show"}).code == 0);
  fs::current_path(old);
}

TEST_CASE("a stdout that cannot be written is a failure") {
  std::ostringstream out, err;
  std::istringstream in;
  out.setstate(std::ios::badbit);
  const std::vector<const char*> args = {"--version"};
  CHECK(run(args, out, err, in, {}) == 7);
  CHECK(err.str().find("stdout") != std::string::npos);
}

// --- show, magnet ---

TEST_CASE("show prints the document of cli.md") {
  const std::string full =
      "d7:comment5:hello10:created by2:me13:creation datei7e4:info" + kInfo + "5:nodesll1:hi1eee8:url-list8:http://we";
  const Ran ran = run_cli({"--json", "show", "-"}, full);
  CHECK(ran.code == 0);
  CHECK(ran.err.empty());
  CHECK(
      ran.out ==
      R"({"type":"torrent","info_hash":"f809e8a54e38b06a06c01692a858441abb078e5b","info_hash_v2":null,"name":"n","size":1,)"
      R"("piece_length":16384,"pieces":1,"private":false,"files":[{"path":"n","size":1,"pad":false}],"trackers":[],)"
      R"("webseeds":["http://w"],"nodes":["h:1"],"comment":"hello","created_by":"me","created":"1970-01-01T00:00:07Z",)"
      R"("magnet":"magnet:?xt=urn:btih:f809e8a54e38b06a06c01692a858441abb078e5b&dn=n&xl=1&ws=http%3A%2F%2Fw&dht=h:1"})"
      "\n");
  const Ran human = run_cli({"show", "-"}, full);
  CHECK(human.code == 0);
  CHECK(human.out.find("info-hash    f809e8a54e38b06a06c01692a858441abb078e5b\n") != std::string::npos);
}

TEST_CASE("show tells v2 and hybrid torrents apart") {
  const std::string corpus = LODESTONE_SOURCE_DIR "/tests/fuzz/corpus/metainfo/";
  const auto show = [&](const std::string& name) {
    return Json::parse(run_cli({"--json", "show", corpus + name}).out);
  };
  CHECK(show("v2_multi")["info_hash"].is_null());
  CHECK(show("v2_multi")["info_hash_v2"].get<std::string>().size() == 64);
  CHECK(show("v1_multi")["info_hash_v2"].is_null());
  const Json hybrid = show("hybrid_multi");
  CHECK(hybrid["info_hash"].is_string());
  CHECK(hybrid["info_hash_v2"].is_string());
  bool pad = false;
  for (const Json& file : hybrid["files"]) pad = pad || file["pad"].get<bool>();
  CHECK(pad);
  CHECK(hybrid["size"] == show("v2_multi")["size"]);
}

TEST_CASE("bad torrents are exit 11 with the byte") {
  const Ran ran = run_cli({"show", "-"}, "d4:infod6:lengthi1e4:name1:n12:piece lengthi0e6:pieces0:ee");
  CHECK(ran.code == 11);
  CHECK(ran.err == "error: stdin: the piece length is not positive at byte 43.\n");
  CHECK(run_cli({"show", "-"}, "").code == 11);
  const Ran tolerated = run_cli({"show", "-"}, kTorrent + "junk");
  CHECK(tolerated.code == 0);
  CHECK(tolerated.err.starts_with("warning: "));
}

TEST_CASE("magnet parse prints the document of cli.md") {
  const Ran ran =
      run_cli({"--json", "magnet", "parse",
               "magnet:?xt=urn:btih:" + kHex + "&dn=a+b&xl=5&tr=http://t&x.pe=[::1]:5&dht=h:1&so=1,3-5&ws=http://w"});
  CHECK(ran.code == 0);
  CHECK(ran.out == R"({"type":"magnet","info_hash":")" + kHex +
                       R"(","info_hash_v2":null,"name":"a b","size":5,"trackers":["http://t"],"webseeds":["http://w"],)"
                       R"("peers":["[::1]:5"],"nodes":["h:1"],"select":[1,3,4,5],"public_key":null,"salt":null})"
                       "\n");
}

TEST_CASE("M7 a selection of everything is printed as what it is") {
  const std::string link = "magnet:?xt=urn:btih:" + kHex + "&so=";
  const auto select = [&](const std::string& so) {
    return Json::parse(run_cli({"--json", "magnet", "parse", link + so}).out)["select"].dump();
  };
  CHECK(select("0-18446744073709551615") == R"(["0-18446744073709551615"])");
  CHECK(select("18446744073709551614-18446744073709551615") == "[18446744073709551614,18446744073709551615]");
  CHECK(Json::parse(select("0-65535")).size() == 65'536);
  CHECK(select("0-65536") == R"(["0-65536"])");
}

TEST_CASE("magnet make and parse are inverse") {
  const Ran made = run_cli({"magnet", "make", "-"}, kTorrent);
  CHECK(made.code == 0);
  CHECK(made.out == "magnet:?xt=urn:btih:f809e8a54e38b06a06c01692a858441abb078e5b&dn=n&xl=1\n");
  const Ran parsed = run_cli({"--json", "magnet", "parse", made.out.substr(0, made.out.size() - 1)});
  CHECK(Json::parse(parsed.out)["info_hash"] == "f809e8a54e38b06a06c01692a858441abb078e5b");
}

// --- bdecode ---

TEST_CASE("bdecode prints JSON") {
  const auto json = [](const std::string& text) {
    const Ran ran = run_cli({"--json", "bdecode"}, text);
    CHECK(ran.code == 0);
    const Ran pretty = run_cli({"bdecode", "-"}, text);
    CHECK(Json::parse(pretty.out) == Json::parse(ran.out));
    return ran.out;
  };
  CHECK(json("i-9223372036854775808e") == "-9223372036854775808\n");
  CHECK(json("le") == "[]\n");
  CHECK(json("de") == "{}\n");
  CHECK(json("d1:ai1e1:bl2:xyi2eee") == "{\"a\":1,\"b\":[\"xy\",2]}\n");
  CHECK(json("2:\"\\") == "\"\\\"\\\\\"\n");
  CHECK(json("2:\xff\x01") == "{\"hex\":\"ff01\"}\n");
  CHECK(json("d1:ai1e1:\xff"
             "d1:kleee") == "{\"pairs\":[[\"a\",1],[{\"hex\":\"ff\"},{\"k\":[]}]]}\n");
  CHECK(json("d1:\xff"
             "d1:\xfe"
             "leee") == "{\"pairs\":[[{\"hex\":\"ff\"},{\"pairs\":[[{\"hex\":\"fe\"},[]]]}]]}\n");
  CHECK(json("d1:ai1e1:ai2ee") == "{\"pairs\":[[\"a\",1],[\"a\",2]]}\n");  // JSON would merge them
  const std::string deep = std::string(100, 'l') + std::string(100, 'e');
  CHECK(json(deep) == std::string(100, '[') + std::string(100, ']') + "\n");
}

TEST_CASE("bdecode is indented for a person") {
  CHECK(run_cli({"bdecode"}, "d1:ai1e1:bli2eee").out == "{\n  \"a\": 1,\n  \"b\": [\n    2\n  ]\n}\n");
}

TEST_CASE("bdecode names the byte of an error, and is strict when asked") {
  const auto fails = [](const std::string& text, bool strict, std::size_t offset) {
    CAPTURE(text);
    std::vector<std::string> args = {"bdecode"};
    if (strict) args.push_back("--strict");
    const Ran ran = run_cli(args, text);
    CHECK(ran.code == 11);
    CHECK(ran.out.empty());
    CHECK(ran.err.find("at byte " + std::to_string(offset) + ".\n") != std::string::npos);
  };
  fails("", false, 0);
  fails("d1:ai1e", false, 7);
  fails("lx", false, 1);
  fails("5:abc", false, 0);
  fails("i1ei2e", true, 3);
  fails(std::string(200, 'l'), false, 100);
  for (const char* text : {"d1:bi1e1:ai2ee", "i01e", "d1:ai1e1:ai2ee", "i1e "}) {
    CHECK(run_cli({"bdecode"}, text).code == 0);
    CHECK(run_cli({"bdecode", "--strict"}, text).code == 11);
  }
  CHECK(run_cli({"bdecode"}, "i1e ").err.find("ends at byte 3") != std::string::npos);
  CHECK(run_cli({"bdecode", "--strict"}, "d1:ai1e1:bi2ee").code == 0);
}

TEST_CASE("bdecode of a million values takes no time that grows with their square") {
  std::string text = "d";
  for (int i = 0; i < 300'000; ++i) text += "7:" + std::to_string(1'000'000 + i) + "i1e";
  const Ran ran = run_cli({"--json", "bdecode"}, text + "e");
  CHECK(ran.code == 0);
  CHECK(ran.out.ends_with("\"1299999\":1}\n"));
}

// --- create ---

void fill_sample(const TemporaryDirectory& dir) {
  std::string content(40'000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 7);
  dir.write("sample/b/c.bin", content);
  dir.write("sample/a.txt", "hello");
  dir.write("sample/empty", "");
  dir.write("sample/b-side/ü", "ü");
}

TEST_CASE("create makes the same bytes of the same input, and what show reads") {
  TemporaryDirectory dir;
  fill_sample(dir);
  const auto create = [&](const std::string& output, const std::vector<std::string>& more = {}) {
    std::vector<std::string> args = {"--json", "create", dir.file("sample"), "-o", output};
    args.insert(args.end(), more.begin(), more.end());
    return run_cli(args, "", dated("1000"));
  };
  const Ran first = create(dir.file("1.torrent"));
  CHECK(first.code == 0);
  const Json document = Json::parse(first.out);
  CHECK(document["type"] == "torrent");
  CHECK(document["path"] == dir.file("1.torrent"));
  CHECK(document["created"] == "1970-01-01T00:16:40Z");
  CHECK(document["size"] == 40'007);
  std::vector<std::string> paths;
  for (const Json& file : document["files"]) paths.push_back(file["path"].get<std::string>());
  CHECK(paths == std::vector<std::string>{"sample/a.txt", "sample/b/c.bin", "sample/b-side/ü", "sample/empty"});
  CHECK(create(dir.file("2.torrent")).code == 0);
  CHECK(dir.read(dir.file("1.torrent")) == dir.read(dir.file("2.torrent")));
  CHECK(create(dir.file("1.torrent")).code == 0);  // over the old one
  CHECK(dir.read(dir.file("1.torrent")) == dir.read(dir.file("2.torrent")));

  Json shown = Json::parse(run_cli({"--json", "show", dir.file("1.torrent")}).out);
  shown["path"] = dir.file("1.torrent");
  CHECK(shown == document);
  CHECK(document["info_hash"] == "8eb86cedf8d886bf6a88380f813ef6fca40dc079");  // libtorrent's for these files
}

TEST_CASE("create -o - writes the torrent to stdout and the magnet to stderr") {
  TemporaryDirectory dir;
  fill_sample(dir);
  REQUIRE(run_cli({"create", dir.file("sample"), "-o", dir.file("t"), "--no-date"}).code == 0);
  const Ran ran = run_cli({"create", dir.file("sample") + "/", "-o", "-", "--no-date", "-q"});
  CHECK(ran.code == 0);
  CHECK(ran.out == dir.read(dir.file("t")));
  CHECK(ran.err.starts_with("magnet:?xt=urn:btih:"));
  const Ran json = run_cli({"create", dir.file("sample"), "-o", "-", "--no-date", "--json"});
  CHECK(json.out == ran.out);
  CHECK(Json::parse(json.err)["type"] == "torrent");
  // A record is data: what would steer a terminal stays in it as it is.
  const std::string steering =
      "a\xE2\x80\xAE"
      "b";
  const Ran exact = run_cli({"create", dir.file("sample"), "-o", "-", "--json", "--comment", steering});
  CHECK(Json::parse(exact.err)["comment"] == steering);
}

TEST_CASE("create takes its options into the torrent") {
  TemporaryDirectory dir;
  const std::string path = dir.write("one.bin", std::string(70'000, 'x'));
  const Ran ran =
      run_cli({"create", path, "-o", dir.file("t"), "--piece-length", "32k", "--private", "--node", "h:1", "--comment",
               "hi", "--webseed", "http://w", "--tracker", "http://a", "--tracker", "http://b", "--no-date"});
  CHECK(ran.code == 0);
  CHECK(ran.out.starts_with("magnet:?xt=urn:btih:"));
  const Json shown = Json::parse(run_cli({"--json", "show", dir.file("t")}).out);
  CHECK(shown["piece_length"] == 32'768);
  CHECK(shown["pieces"] == 3);
  CHECK(shown["private"] == true);
  CHECK(shown["nodes"].dump() == R"(["h:1"])");
  CHECK(shown["trackers"].dump() == R"([["http://a"],["http://b"]])");
  CHECK(shown["comment"] == "hi");
  CHECK(shown["created"].is_null());
  CHECK(shown["files"].dump() == R"([{"path":"one.bin","size":70000,"pad":false}])");
  CHECK(run_cli({"create", path, "-o", dir.file("t")}, "", dated("soon")).code == 2);
}

TEST_CASE("D1 create follows no symlink and skips what is no file") {
  TemporaryDirectory dir;
  dir.write("outside", "secret");
  dir.write("tree/in", "inside");
  fs::create_symlink("in", dir.file("tree/good"));
  fs::create_symlink("../outside", dir.file("tree/bad"));
  fs::create_symlink("/etc/hostname", dir.file("tree/absolute"));
  fs::create_symlink("nowhere", dir.file("tree/dangling"));
  fs::create_directory_symlink("..", dir.file("tree/loop"));
  REQUIRE(::mkfifo(dir.file("tree/pipe").c_str(), 0600) == 0);
  const Ran ran = run_cli({"--json", "create", dir.file("tree"), "-o", dir.file("tree/t.torrent"), "--no-date"});
  CHECK(ran.code == 0);
  const auto paths = [](const Ran& r) {
    std::string all;
    const Json document = Json::parse(r.out);
    for (const Json& file : document["files"]) all += file["path"].get<std::string>() + " ";
    return all;
  };
  CHECK(paths(ran) == "tree/in ");
  for (const char* name : {"good", "bad", "absolute", "dangling", "loop", "pipe"})
    CHECK(ran.err.find(std::string("/") + name + ": ") != std::string::npos);
  // A second run does not take the first one's output for content.
  const Ran again = run_cli({"--json", "create", dir.file("tree"), "-o", dir.file("tree/t.torrent"), "--no-date"});
  CHECK(again.out == ran.out);
}

TEST_CASE("create says why it cannot") {
  TemporaryDirectory dir;
  fs::create_directory(dir.file("empty"));
  CHECK(run_cli({"create", dir.file("empty")}).code == 1);
  const std::string path = dir.write("a", "x");
  CHECK(run_cli({"create", path, "-o", dir.file("no/such/dir/t")}).code == 7);
  dir.write("names/\xff", "x");
  const Ran ran = run_cli({"create", dir.file("names"), "-o", dir.file("t")});
  CHECK(ran.code == 7);
  CHECK_FALSE(fs::exists(dir.file("t")));
  CHECK(run_cli({"create", "/"}).code == 2);
}

}  // namespace
}  // namespace lodestone::tools
