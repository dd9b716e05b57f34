// SPDX-License-Identifier: Apache-2.0
// The shapes that cli.md promises: other programs read them.
#include "tools/cli/transfer_records.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace lodestone::tools {
namespace {

const wire::InfoHash kHash = *wire::InfoHash::from_hex("0123456789abcdef0123456789abcdef01234567");
const std::string kHead = R"(,"info_hash":"0123456789abcdef0123456789abcdef01234567",)";

TEST_CASE("phase record") {
  CHECK(phase_record(kHash, {TransferPhase::lookup, 1.23456, 5, 9, 2, 30, 40}).dump() ==
        R"({"type":"phase")" + kHead +
            R"("phase":"lookup","elapsed":1.235,"dht_nodes":5,"asked":9,"peers":2,"bytes_done":30,"bytes_total":40})");
}

TEST_CASE("metadata record keeps pads in their places") {
  magnet::Info info;
  info.name = "n";
  info.piece_length = 16384;
  info.files.resize(2);
  info.files[0].path = {"n", "a"};
  info.files[0].size = 7;
  info.files[1].path = {"n", ".pad", "3"};
  info.files[1].size = 3;
  info.files[1].pad = true;
  CHECK(metadata_record(kHash, info).dump() ==
        R"({"type":"metadata")" + kHead +
            R"("name":"n","size":7,"piece_length":16384,)"
            R"("files":[{"path":"n/a","size":7},{"path":"n/.pad/3","size":3,"pad":true}]})");
}

TEST_CASE("progress record has integers, the sources and an end in sight") {
  magnet::TorrentStatus status;
  status.bytes_done = 250;
  status.bytes_total = 1000;
  status.rate_down = 99.6;
  status.connected = 2;
  status.seen = 5;
  status.seen_by_source = {1, 2, 0, 0, 2};
  CHECK(progress_record(kHash, status).dump() ==
        R"({"type":"progress")" + kHead +
            R"("bytes_done":250,"bytes_total":1000,"rate_down":100,"rate_up":0,"peers":{"connected":2,"seen":5,)"
            R"("by_source":{"dht":1,"pex":2,"lsd":0,"magnet":0,"incoming":2}},"eta":7.53})");
  status.rate_down = 0;
  CHECK(progress_record(kHash, status)["eta"].is_null());
  status.bytes_done = 1000;
  CHECK(progress_record(kHash, status)["eta"] == 0);
}

TEST_CASE("stall, seeding and done records") {
  CHECK(stall_record(kHash, "no-peers", "d", "h").dump() ==
        R"({"type":"stall")" + kHead + R"("reason":"no-peers","detail":"d","hint":"h"})");
  CHECK(seeding_record(kHash, "magnet:?x", 3).dump() ==
        R"({"type":"seeding")" + kHead + R"("magnet":"magnet:?x","announced":3})");
  const DoneFacts done{.path = "o/n",
                       .bytes = 9,
                       .seconds = 2,
                       .stages = {.bootstrap = 0.1, .lookup = 0.2, .metadata = 0.3, .transfer = 0.4},
                       .downloaded = 8,
                       .verified_pieces = 1};
  CHECK(
      done_record(kHash, done).dump() ==
      R"({"type":"done")" + kHead +
          R"("path":"o/n","bytes":9,"seconds":2.0,"bootstrap_seconds":0.1,"lookup_seconds":0.2,"metadata_seconds":0.3,)"
          R"("transfer_seconds":0.4,"downloaded":8,"verified_pieces":1})");
}

double sum(const StageSeconds& s) { return s.bootstrap + s.lookup + s.metadata + s.transfer; }

TEST_CASE("stages add up to the whole") {
  node::TorrentTimes times{.first_dht_answer = 0.5, .first_peer = 0.8, .metadata = 1.0, .opened = 1.1, .finished = 4.0};
  const StageSeconds s = stage_seconds(times, 4.0);
  CHECK(s.bootstrap == Approx(0.5));
  CHECK(s.lookup == Approx(0.3));
  CHECK(s.metadata == Approx(0.2));
  CHECK(s.transfer == Approx(3.0));
}

TEST_CASE("stages that did not happen take no time") {
  // All on disk: nobody was needed.
  CHECK(stage_seconds({.first_dht_answer = 0.2, .first_peer = {}, .metadata = 0.1, .opened = {}, .finished = {}}, 3)
            .transfer == 3);
  // A torrent file: no metadata was fetched.
  const StageSeconds file =
      stage_seconds({.first_dht_answer = 0.2, .first_peer = 0.3, .metadata = 0.01, .opened = 0.1, .finished = 2.0}, 2);
  CHECK(file.metadata == 0);
  CHECK(sum(file) == Approx(2.0));
  // A named peer came before the DHT did.
  const StageSeconds peer =
      stage_seconds({.first_dht_answer = 0.9, .first_peer = 0.3, .metadata = 0.4, .opened = 0.5, .finished = 2.0}, 2);
  CHECK(peer.lookup == 0);
  CHECK(sum(peer) == Approx(2.0));
  const StageSeconds no_dht =
      stage_seconds({.first_dht_answer = {}, .first_peer = 0.3, .metadata = 0.4, .opened = 0.5, .finished = 2.0}, 2);
  CHECK(no_dht.bootstrap == 0);
  CHECK(sum(no_dht) == Approx(2.0));
}

}  // namespace
}  // namespace lodestone::tools
