// SPDX-License-Identifier: Apache-2.0
#include "storage/disk/resume_files.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "storage/disk/file_set.hpp"
#include "tests/storage/disk/fixture.hpp"
#include "tests/storage/disk/temporary.hpp"

using namespace lodestone;
using namespace lodestone::storage;
using namespace lodestone::storage::test;

TEST_CASE("M6 a verified info dict survives a restart") {
  const Temporary dir;
  const std::string state = (dir / "state").string();
  const Sample sample = make_sample({{"t/a", 1'000}}, 16'384);
  const wire::InfoHash hash{wire::sha1(sample.manifest->info_dict)};
  CHECK(resumable_torrents(state).empty());
  CHECK_FALSE(load_info_dict(state, hash));
  {
    Session session{sample, make_posix_files((dir / "root").string(), state, hash.hex())};
    REQUIRE_FALSE(session.open().trouble);
  }  // killed
  CHECK(resumable_torrents(state) == std::vector{hash});
  CHECK(load_info_dict(state, hash) == sample.manifest->info_dict);

  auto raw = content_of(dir / "state" / (hash.hex() + ".resume"));
  raw[raw.size() - 30] ^= 1;
  write_file(dir / "state" / (hash.hex() + ".resume"), raw);
  CHECK_FALSE(load_info_dict(state, hash));
}

TEST_CASE("M6 an info dict is known even if foreign files stopped the torrent") {
  const Temporary dir;
  const std::string state = (dir / "state").string();
  const Sample sample = make_sample({{"a", 1'000}}, 16'384);
  const wire::InfoHash hash{wire::sha1(sample.manifest->info_dict)};
  std::filesystem::create_directories(dir / "root");
  const wire::ByteVector diary(5'000, 'x');
  write_file(dir / "root" / "a", diary);
  for (int run = 0; run < 2; ++run) {
    Session session{sample, make_posix_files((dir / "root").string(), state, hash.hex())};
    CHECK(session.open().trouble.kind == Trouble::Kind::conflict);
  }
  CHECK(load_info_dict(state, hash) == sample.manifest->info_dict);
  CHECK(content_of(dir / "root" / "a") == diary);
}

TEST_CASE("M6 a resume file under a false name gives no info dict") {
  const Temporary dir;
  const Sample sample = make_sample({{"a", 1'000}}, 16'384);
  const wire::InfoHash wrong{wire::sha1({})};
  Session session{sample, make_posix_files((dir / "root").string(), dir.path().string(), wrong.hex())};
  REQUIRE_FALSE(session.open().trouble);
  CHECK_FALSE(load_info_dict(dir.path().string(), wrong));
}

TEST_CASE("M6 unfinished metadata survives a restart, privately") {
  const Temporary dir;
  const std::string state = (dir / "a/b").string();
  const wire::InfoHash hash{wire::sha1(wire::as_bytes("x"))};
  CHECK_FALSE(load_metadata(state, hash));
  const wire::ByteVector blob{1, 2, 3};
  REQUIRE_FALSE(save_metadata(state, hash, blob));
  REQUIRE_FALSE(save_metadata(state, hash, wire::Bytes{blob}.first(2)));
  CHECK(load_metadata(state, hash) == wire::ByteVector{1, 2});
  CHECK(resumable_torrents(state) == std::vector{hash});
  struct stat st;
  REQUIRE(::stat((state + '/' + hash.hex() + ".metadata").c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0600);
  erase_metadata(state, hash);
  CHECK_FALSE(load_metadata(state, hash));
  CHECK(resumable_torrents(state).empty());
}
