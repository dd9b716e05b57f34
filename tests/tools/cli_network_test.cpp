// SPDX-License-Identifier: Apache-2.0
// The network commands as far as they end before they need a network: command lines, inputs, exit codes.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "dht/snapshot.hpp"
#include "tests/tools/cli_bench.hpp"

namespace lodestone::tools {
namespace {

using Json = nlohmann::ordered_json;

const std::string kHash = "0123456789abcdef0123456789abcdef01234567";
const std::string kInfo = "d6:lengthi1e4:name1:n12:piece lengthi16384e6:pieces20:hhhhhhhhhhhhhhhhhhhhe";
const std::string kTorrent = "d4:info" + kInfo + "e";

TEST_CASE("bad command lines of the network commands are exit 2") {
  const std::vector<std::vector<std::string>> bad = {
      {"get"},
      {"get", "--seed=soon", kHash},
      {"get", "--seed=ratio:x", kHash},
      {"get", "--list", "--metadata-only", kHash},
      {"get", "--max-peers", "0", kHash},
      {"get", "--metadata-only=x.torrent", kHash, "1" + kHash.substr(1)},
      {"get", "no-such-file.torrent"},
      {"get", "-4", "--listen", "::1", kHash},
      {"seed"},
      {"seed", "no-such-path"},
      {"seed", "magnet:?xt=urn:btih:" + kHash},
      {"node", "surplus"},
      {"node", "--role"},
      {"node", "--role", "crawler"},
      {"node", "--ring-size", "5000"},
      {"node", "--role", "bootstrap", "--ring-size", "12"},
      {"testnet", "--nodes", "0"},
      {"testnet", "--base-addr", "here"},
      {"testnet", "--seed", "no-such-path"},
      {"dht"},
      {"dht", "ping"},
      {"dht", "ping", "nowhere"},
      {"dht", "announce", kHash},
      {"dht", "announce", kHash, "--port", "1"},
      {"dht", "announce", kHash, "--port", "65536"},
      {"dht", "find-node", kHash, "nowhere"},
      {"dht", "get-peers", kHash, "--wait", "soon"},
      {"dht", "get"},
      {"dht", "get", "xyz"},
      {"dht", "get", kHash + "00"},
      {"dht", "get", kHash, "--salt", std::string(65, 's')},
      {"dht", "put"},
      {"dht", "put", "x", "--mutable"},
      {"dht", "put", "x", "--key", "k"},
      {"dht", "put", "x", "--seq", "1"},
      {"dht", "put", "x", "--cas", "1"},
      {"dht", "put", "x", "--salt", "s"},
      {"dht", "put", "x", "--mutable", "--key", "no-such-file"},
      {"dht", "put", "x", "--mutable", "--key", "k", "--seq", "-1"},
      {"dht", "put", std::string(1'000, 'x')},
      {"dht", "keygen"},
      {"dht", "sample", "nowhere"},
      {"dht", "trace"},
      {"dht", "trace", kHash, "--wait", "soon"},
      {"dht", "table", "surplus"},
      {"dht", "size", "surplus"},
      {"dht", "size", "--lookups", "0"},
  };
  for (const auto& args : bad) {
    const Ran ran = run_cli(args);
    INFO(Json(args).dump() << " " << ran.err);
    CHECK(ran.code == 2);
    CHECK(ran.out.empty());
    CHECK(ran.err.starts_with("error: "));
  }
}

TEST_CASE("malformed inputs are exit 11, a magnet of version 2 is unsupported") {
  const TemporaryDirectory folder;
  const std::string bad = folder.write("bad.torrent", "d4:infoi1ee");
  CHECK(run_cli({"get", bad}).code == 11);
  CHECK(run_cli({"get", "magnet:?xt=urn:btih:xyz"}).code == 11);
  CHECK(run_cli({"seed", bad}).code == 11);
  CHECK(run_cli({"dht", "get-peers", "magnet:?dn=x"}).code == 11);
  const Ran v2 = run_cli({"get", "magnet:?xt=urn:btmh:1220" + std::string(64, 'a'), "--json"});
  CHECK(v2.code == 1);
  CHECK(v2.out.empty());
  const Json last = Json::parse(last_line(v2.err));
  CHECK(last["error"] == "error");
  CHECK(last["message"].get<std::string>().find("unsupported") != std::string::npos);
}

TEST_CASE("C3 a signing key is made once, for its owner only, and never printed") {
  const TemporaryDirectory folder;
  const std::string path = folder.file("key");
  const Ran made = run_cli({"dht", "keygen", path});
  CHECK(made.code == 0);
  CHECK(made.out.size() == 65);
  const std::string secret = TemporaryDirectory::read(path);
  CHECK(secret.size() == 65);
  CHECK(secret != made.out);
  CHECK((std::filesystem::status(path).permissions() & std::filesystem::perms::mask) ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  CHECK(run_cli({"dht", "keygen", path}).code == 9);
  CHECK(TemporaryDirectory::read(path) == secret);
  CHECK(run_cli({"dht", "keygen", folder.file("none/key")}).code == 7);
  // What others can read is no secret any more.
  std::filesystem::permissions(path, std::filesystem::perms::group_read, std::filesystem::perm_options::add);
  const Ran leaked = run_cli({"dht", "put", "x", "--mutable", "--key", path});
  CHECK(leaked.code == 7);
  CHECK(leaked.err.find(secret.substr(0, 64)) == std::string::npos);
  const std::string bad = folder.write("bad", "no key at all");
  std::filesystem::permissions(bad, std::filesystem::perms::owner_read);
  CHECK(run_cli({"dht", "put", "x", "--mutable", "--key", bad}).code == 11);
}

TEST_CASE("several inputs that all fail for their own reasons are exit 10, for the same reason that reason's") {
  CHECK(run_cli({"get", "no-such-file", "magnet:?xt=urn:btih:xyz"}).code == 10);
  CHECK(run_cli({"get", "no-such-file", "no-such-other"}).code == 2);
}

TEST_CASE("a torrent file is listed without a network") {
  const TemporaryDirectory folder;
  const std::string torrent = folder.write("t.torrent", kTorrent);
  const Ran human = run_cli({"get", "--list", torrent});
  CHECK(human.code == 0);
  CHECK(human.out == "    0         1 B  n\n");
  const Ran json = run_cli({"get", "--list", "--json", torrent});
  CHECK(json.code == 0);
  const Json record = Json::parse(json.out);
  CHECK(record["type"] == "metadata");
  CHECK(record["info_hash"].get<std::string>().size() == 40);
  CHECK(record["files"] == Json::parse(R"([{"path":"n","size":1}])"));
  CHECK(json.err.empty());
}

TEST_CASE("the metadata of a torrent file is written without a network, byte for byte") {
  const TemporaryDirectory folder;
  const std::string torrent = folder.write("t.torrent", kTorrent);
  const Ran named = run_cli({"get", torrent, "--metadata-only=" + folder.file("copy.torrent"), "--json"});
  CHECK(named.code == 0);
  CHECK(TemporaryDirectory::read(folder.file("copy.torrent")).find(kInfo) != std::string::npos);
  CHECK(Json::parse(last_line(named.out))["path"] == folder.file("copy.torrent"));
  // A flag without a value does not swallow the target that follows.
  const Ran by_name = run_cli({"get", "-o", folder.file("new"), "--metadata-only", torrent});
  CHECK(by_name.code == 0);
  CHECK(by_name.out == folder.file("new") + "/n.torrent\n");
  CHECK(TemporaryDirectory::read(folder.file("new/n.torrent")).find(kInfo) != std::string::npos);
}

TEST_CASE("a place where nothing can be put is exit 7 before anybody is asked, and there is something to do about it") {
  const TemporaryDirectory folder;
  const std::string file = folder.write("file", "mine");
  const std::string torrent = folder.write("t.torrent", kTorrent);
  const std::vector<std::vector<std::string>> bad = {{"get", kHash, "-o", file},
                                                     {"get", torrent, "-o", file},
                                                     {"get", torrent, "--metadata-only=" + file + "/t.torrent"},
                                                     {"get", folder.file("")},
                                                     {"show", folder.file("")}};
  for (const auto& args : bad) {
    const Ran ran = run_cli(args);
    INFO(Json(args).dump() << " " << ran.err);
    CHECK(ran.code == 7);
    CHECK(ran.err.starts_with("error: " + folder.file("")));
    // "error: <subject>: <cause>. <next step>."
    CHECK(ran.err.ends_with(".\n"));
    CHECK(ran.err.find(". ") < ran.err.size() - 3);
  }
  CHECK(TemporaryDirectory::read(file) == "mine");
}

TEST_CASE("a saved table is shown without a network, and nothing is made where there is none") {
  const TemporaryDirectory folder;
  const std::string state = folder.file("state");
  const Ran none = run_cli({"dht", "table", "--state-dir", state, "--json"});
  CHECK(none.code == 3);
  CHECK(none.out.empty());
  CHECK(Json::parse(last_line(none.err))["error"] == "not-found");
  CHECK_FALSE(std::filesystem::exists(state));
  CHECK(run_cli({"dht", "table"}).code == 3);  // no home either

  dht::Snapshot snapshot;
  snapshot.id.bytes()[0] = 0x80;
  snapshot.contacts.push_back({{}, *wire::Endpoint::parse("1.2.3.4:5"), 1'700'000'000, std::chrono::milliseconds(20)});
  snapshot.contacts[0].version = {'L', 'T', 2, 1};
  snapshot.run.emplace();
  snapshot.run->since = 1'699'999'000;
  snapshot.run->counters.malformed_in = 3;
  snapshot.saved = 1'700'000'060;
  const auto raw = dht::encode(snapshot);
  folder.write("state/dht4", std::string(wire::as_text(raw)));
  const Ran json = run_cli({"dht", "table", "--state-dir", state, "--json"});
  CHECK(json.code == 0);
  const Json record = Json::parse(json.out);
  CHECK(record["type"] == "table");
  CHECK(record["id"] == snapshot.id.hex());
  CHECK(record["buckets"][0]["depth"] == 0);
  CHECK(record["buckets"][0]["contacts"][0]["addr"] == "1.2.3.4:5");
  CHECK(record["buckets"][0]["contacts"][0]["age"].get<double>() == record["saved"].get<double>() + 60);
  const Ran human = run_cli({"dht", "table", "--state-dir", state});
  CHECK(human.code == 0);
  CHECK(human.out.starts_with("IPv4, node 8000"));
  CHECK(human.out.ends_with("versions: LT 100 %\ndropped: 3 malformed\n"));
  CHECK(record["buckets"][0]["contacts"][0]["version"] == "LT\\x02\\x01");
  CHECK(record["counters"]["malformed_in"] == 3);
  const Ran all = run_cli({"dht", "table", "--state-dir", state, "-v"});
  CHECK(all.out.find("malformed_in") != std::string::npos);
  CHECK(all.out.find("queries_in") == std::string::npos);
  CHECK(run_cli({"dht", "table", "--state-dir", state, "-6"}).code == 3);
  CHECK(run_cli({"dht", "table", "--state-dir", state, "--private-net"}).code == 3);

  // A damaged file costs only itself.
  folder.write("state/dht6", std::string(wire::as_text(raw)).substr(0, raw.size() / 2));
  const Ran damaged = run_cli({"dht", "table", "--state-dir", state, "--json"});
  CHECK(damaged.code == 0);
  CHECK(Json::parse(damaged.out)["family"] == 4);
  CHECK(std::distance(std::filesystem::directory_iterator(state), std::filesystem::directory_iterator()) == 2);
}

TEST_CASE("seed names what is missing") {
  const TemporaryDirectory folder;
  const std::string torrent = folder.write("t.torrent", kTorrent);
  const Ran absent = run_cli({"seed", torrent});
  CHECK(absent.code == 7);
  CHECK(absent.err.find(folder.file("n")) != std::string::npos);
  folder.write("n", "too long");
  const Ran other = run_cli({"seed", torrent});
  CHECK(other.code == 7);
  CHECK(other.err.find("has 8 bytes, the torrent says 1") != std::string::npos);
  const Ran elsewhere = run_cli({"seed", torrent, "-o", folder.file("elsewhere")});
  CHECK(elsewhere.code == 7);
  CHECK(elsewhere.err.find(folder.file("elsewhere/n")) != std::string::npos);
}

}  // namespace
}  // namespace lodestone::tools
