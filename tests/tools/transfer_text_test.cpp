// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/transfer_text.hpp"

#include <catch2/catch.hpp>

namespace lodestone::tools {
namespace {

TransferView half_done() {
  TransferView view;
  view.name = "sample";
  view.phase = TransferPhase::download;
  view.facts.now = 12;
  magnet::TorrentStatus& status = view.facts.status;
  status.bytes_done = 512 << 20;
  status.bytes_total = 1 << 30;
  status.rate_down = 16 << 20;
  status.connected = 1;
  status.seen = 4;
  return view;
}

TEST_CASE("a download says how far, how fast, from how many and how long") {
  CHECK(describe(half_done()) == "50% of 1.0 GiB, 16.0 MiB/s, 1 peer, 32 s left");
  CHECK(progress_line(half_done()) == "[12 s] sample: 50% of 1.0 GiB, 16.0 MiB/s, 1 peer, 32 s left");
  TransferView view = half_done();
  view.facts.status.bytes_done = view.facts.status.bytes_total - 1;
  CHECK(describe(view).starts_with("99%"));
  view.facts.status.connected = 0;
  CHECK(describe(view) == "99% of 1.0 GiB, connecting to 4 peers");
  view.facts.status.seen = 0;
  CHECK(describe(view) == "99% of 1.0 GiB, looking for peers");
}

TEST_CASE("every phase has words") {
  TransferView view;
  CHECK(describe(view) == "starting");
  for (const TransferPhase phase :
       {TransferPhase::dht, TransferPhase::lookup, TransferPhase::metadata, TransferPhase::open,
        TransferPhase::download, TransferPhase::seed, TransferPhase::done}) {
    view.phase = phase;
    CHECK_FALSE(describe(view).empty());
  }
  view.phase = TransferPhase::lookup;
  view.facts.asked = 12;
  view.facts.dht_nodes = 1;
  CHECK(describe(view) == "asking the DHT for peers (12 asked, 1 node known)");
  view.phase = TransferPhase::metadata;
  view.facts.status.connected = 2;
  CHECK(describe(view) == "asking 2 peers for the metadata");
  view.facts.status.metadata_total = 32768;
  view.facts.status.metadata_done = 16384;
  CHECK(describe(view) == "metadata 50% of 32.0 KiB from 2 peers");
  view.phase = TransferPhase::seed;
  view.facts.status.bytes_total = 200;
  view.facts.status.uploaded = 100;
  CHECK(describe(view) == "seeding 0 B/s to 2 peers, 100 B sent (ratio 0.50)");
}

TEST_CASE("the bar is there where there is room") {
  const TransferView view = half_done();
  CHECK(progress_bar({&view, 1}, 120) ==
        "sample: [############............] 50% of 1.0 GiB, 16.0 MiB/s, 1 peer, 32 s left");
  CHECK(progress_bar({&view, 1}, 60) == "sample: 50% of 1.0 GiB, 16.0 MiB/s, 1 peer, 32 s left");
  CHECK(progress_bar({}, 120).empty());
  TransferView empty = half_done();
  empty.facts.status.bytes_total = empty.facts.status.bytes_done = 0;
  CHECK(progress_bar({&empty, 1}, 120).find('[') == std::string::npos);
}

TEST_CASE("long names are cut at a character, strangers' control characters are gone") {
  TransferView view = half_done();
  view.name = "日本語日本語日本語日本語日本語";
  CHECK(progress_bar({&view, 1}, 60).starts_with("日本語日本語日本語日本..: "));
  view.name = "a\x1b[2J";
  CHECK(progress_bar({&view, 1}, 60).find('\x1b') == std::string::npos);
}

TEST_CASE("several downloads become one sum") {
  std::vector<TransferView> views = {half_done(), half_done(), half_done()};
  views[2].phase = TransferPhase::done;
  views[2].facts.status.bytes_done = 1 << 30;
  views[2].facts.status.connected = 0;
  views[2].facts.status.rate_down = 0;
  CHECK(progress_bar(views, 60) == "1 of 3 done: 66% of 3.0 GiB, 32.0 MiB/s, 2 peers, 32 s left");
}

TEST_CASE("one is one") {
  CHECK(count_of(0, "peer") == "0 peers");
  CHECK(count_of(1, "peer") == "1 peer");
  CHECK(count_of(2, "peer") == "2 peers");
}

}  // namespace
}  // namespace lodestone::tools
