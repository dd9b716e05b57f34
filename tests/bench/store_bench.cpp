// SPDX-License-Identifier: Apache-2.0
// What a store costs over the bare work: 1 MiB pieces through Store::execute(StorePiece) into POSIX files, against
// SHA-1 and one pwritev of the same bytes. Payload in /dev/shm (or argument 1), so no disk is measured; CPU is user +
// system. Prints both and the ratio; exits 1 when the store costs more than 1.15 times the bare work. (On a quiet
// machine of 2026 that is under 1 CPU-second per GiB at over 300 MiB/s, most of it the hash.) Not a Google Benchmark:
// the two have to alternate on the same bytes.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/disk/executor.hpp"
#include "wire/base/hash.hpp"
#include "wire/base/rng.hpp"

namespace {

using namespace lodestone;
using namespace lodestone::storage;

constexpr std::uint32_t kPieceLength = 1u << 20;
constexpr std::uint32_t kPieces = 1024;
constexpr std::uint32_t kDistinct = 16;  // pieces with content of their own: 16 MiB, more than a cache holds
constexpr std::uint32_t kBlocks = kPieceLength / wire::kBlockSize;
constexpr int kRounds = 3;
constexpr double kMaxRatio = 1.15;

struct Cost {
  double cpu = 0, wall = 0;  // seconds
};

double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class F>
Cost measure(F&& f) {
  const double cpu = cpu_seconds();
  const auto begin = std::chrono::steady_clock::now();
  f();
  return {cpu_seconds() - cpu, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count()};
}

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "error: %s\n", what);
  std::exit(2);
}

using PieceBlocks = std::vector<std::vector<wire::Block>>;

Cost bare(const std::string& path, const PieceBlocks& content, const std::vector<wire::Sha1Digest>& digests) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (fd < 0) die("cannot create the plain file");
  const Cost cost = measure([&] {
    wire::Sha1 hasher;
    for (std::uint32_t p = 0; p < kPieces; ++p) {
      const auto& blocks = content[p % kDistinct];
      std::array<iovec, kBlocks> vector;
      for (std::uint32_t b = 0; b < kBlocks; ++b) {
        hasher.update(blocks[b].bytes());
        vector[b] = {const_cast<std::uint8_t*>(blocks[b].bytes().data()), wire::kBlockSize};
      }
      if (hasher.finish() != digests[p % kDistinct]) die("wrong digest");
      if (::pwritev(fd, vector.data(), kBlocks, off_t{p} * kPieceLength) != kPieceLength) die("short write");
    }
  });
  ::close(fd);
  ::unlink(path.c_str());
  return cost;
}

Cost stored(const std::filesystem::path& dir, const std::shared_ptr<const Manifest>& manifest, PieceBlocks& content) {
  Store store{make_posix_files((dir / "root").string(), (dir / "state").string(), "bench")};
  if (std::get<result::Opened>(store.execute(job::Open{manifest, {}, false})).trouble) die("cannot open the store");
  const Cost cost = measure([&] {
    for (std::uint32_t p = 0; p < kPieces; ++p) {
      auto& blocks = content[p % kDistinct];
      Result result = store.execute(job::StorePiece{wire::PieceIndex{p}, std::move(blocks)});
      auto* done = std::get_if<result::PieceStored>(&result);
      if (done == nullptr) die("a piece was not stored");
      blocks = std::move(done->blocks);
      if (p % 256 == 255) static_cast<void>(store.execute(job::Sync{}));
    }
  });
  static_cast<void>(store.execute(job::Close{}));
  std::filesystem::remove_all(dir);
  return cost;
}

void print(const char* name, const Cost& cost) {
  std::printf("%-22s %6.3f CPU-s/GiB   %7.0f MiB/s\n", name, cost.cpu, kPieces / cost.wall);
}

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path base = argc > 1 ? argv[1] : "/dev/shm";
  std::string name = (base / "lodestone-bench-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) die("cannot make a directory");
  const std::filesystem::path dir = name;

  wire::Rng rng = wire::Rng::from_number(1);
  wire::BlockPool pool{kDistinct * std::size_t{kPieceLength}};
  PieceBlocks content(kDistinct);
  std::vector<wire::Sha1Digest> digests;
  for (auto& blocks : content) {
    wire::Sha1 hasher;
    for (std::uint32_t b = 0; b < kBlocks; ++b) {
      blocks.push_back(pool.take());
      rng.fill(blocks.back().bytes());
      hasher.update(blocks.back().bytes());
    }
    digests.push_back(hasher.finish());
  }
  FileEntry file;
  file.path = {"payload"};
  file.size = std::uint64_t{kPieces} * kPieceLength;
  Manifest manifest{Layout{{file}, *wire::Geometry::make(file.size, kPieceLength)}, {}, {}};
  for (std::uint32_t p = 0; p < kPieces; ++p) manifest.pieces.push_back(digests[p % kDistinct]);
  const auto shared = std::make_shared<const Manifest>(std::move(manifest));

  Cost plain{1e9, 1e9}, store{1e9, 1e9};
  for (int round = 0; round < kRounds; ++round) {
    const Cost a = bare((dir / "plain").string(), content, digests);
    const Cost b = stored(dir / "store", shared, content);
    plain = {std::min(plain.cpu, a.cpu), std::min(plain.wall, a.wall)};
    store = {std::min(store.cpu, b.cpu), std::min(store.wall, b.wall)};
  }
  std::filesystem::remove_all(dir);
  print("SHA-1 + pwritev", plain);
  print("StorePiece", store);
  std::printf("ratio                  %6.3f in CPU      %5.3f in time\n", store.cpu / plain.cpu,
              store.wall / plain.wall);
  const bool met = store.cpu <= kMaxRatio * plain.cpu;
  std::printf("%s: at most %.2f times the CPU of the bare work\n", met ? "met" : "MISSED", kMaxRatio);
  return met ? 0 : 1;
}
