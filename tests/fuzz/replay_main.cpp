// SPDX-License-Identifier: Apache-2.0
//
// Runs a fuzz target without libFuzzer, in the normal builds and with g++:
//
//   NAME_fuzz_replay CORPUS_DIRECTORY|FILE
//
// Every file is given to LLVMFuzzerTestOneInput as it is, then some thousands of mutations of each: bit flips, bytes
// with a taste for borders, truncations, removed, repeated and spliced stretches. Mutations depend on the file's
// content and on nothing else, so a failure comes back when the same file is replayed, as far as the time budget
// reaches (LODESTONE_REPLAY_SECONDS, default 3). The input at the time of a crash is written to crash.NAME_fuzz_replay
// in the working directory, which can be given as the argument or put into the corpus.
//
// An empty or missing corpus is a failure: it would otherwise pass for having run nothing.

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" [[gnu::weak]] int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" [[gnu::weak]] void __sanitizer_set_death_callback(void (*callback)());

namespace {

using Input = std::vector<std::uint8_t>;

constexpr std::size_t kMutationsPerFile = 4000;
constexpr std::size_t kMaxInput = 256 * 1024;

struct CorpusFile {
  std::filesystem::path path;
  Input bytes;
};

// What is being run now, for the crash report.
const std::uint8_t* current_data = nullptr;
std::size_t current_size = 0;
std::string current_name;
std::string report_path;

void save_current_input() {
  if (current_data == nullptr && current_size == 0 && current_name.empty()) return;
  std::fprintf(stderr, "\nfailing input: %s, %zu bytes, written to %s\n", current_name.c_str(), current_size,
               report_path.c_str());
  if (std::FILE* file = std::fopen(report_path.c_str(), "wb")) {
    std::fwrite(current_data, 1, current_size, file);
    std::fclose(file);
  }
  current_name.clear();
  current_data = nullptr;
  current_size = 0;
}

// Not async-signal-safe to the letter, but the process is lost anyway and the input is worth the attempt.
extern "C" void on_fatal_signal(int number) {
  save_current_input();
  ::signal(number, SIG_DFL);
  ::raise(number);
}

// splitmix64: small, and the same everywhere.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t roll() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : static_cast<std::size_t>(roll() % limit); }

 private:
  std::uint64_t state_;
};

std::uint64_t fnv1a(const Input& bytes) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3U;
  return hash;
}

void run(const Input& input, std::string name) {
  // A heap block of exactly the size, so that ASan sees the first byte read too far.
  auto copy = std::make_unique<std::uint8_t[]>(input.size());
  std::copy(input.begin(), input.end(), copy.get());
  current_name = std::move(name);
  current_data = copy.get();
  current_size = input.size();
  LLVMFuzzerTestOneInput(current_data, current_size);
  current_name.clear();
  current_data = nullptr;
  current_size = 0;
}

void set_border_bytes(Input& input, Dice& dice) {
  static constexpr std::uint8_t kBorder[] = {0x00, 0xff, 0x7f, 0x80, 0x01, '0', '9', ':', 'e', 'i', 'd', 'l', '-'};
  const std::size_t at = dice.below(input.size());
  const std::size_t count = std::min(input.size() - at, 1 + dice.below(4));
  for (std::size_t i = 0; i < count; ++i) input[at + i] = kBorder[dice.below(std::size(kBorder))];
}

void repeat_stretch(Input& input, Dice& dice) {
  const std::size_t from = dice.below(input.size());
  const std::size_t count = std::min(input.size() - from, 1 + dice.below(64));
  const Input stretch(input.begin() + static_cast<std::ptrdiff_t>(from),
                      input.begin() + static_cast<std::ptrdiff_t>(from + count));
  const auto to = static_cast<std::ptrdiff_t>(dice.below(input.size() + 1));
  input.insert(input.begin() + to, stretch.begin(), stretch.end());
}

void splice(Input& input, const Input& other, Dice& dice) {
  input.resize(dice.below(input.size() + 1));
  const auto from = static_cast<std::ptrdiff_t>(dice.below(other.size() + 1));
  input.insert(input.end(), other.begin() + from, other.end());
}

void mutate_once(Input& input, const Input& other, Dice& dice) {
  if (input.empty()) {
    input.push_back(static_cast<std::uint8_t>(dice.roll()));
    return;
  }
  const std::size_t at = dice.below(input.size());
  const auto position = input.begin() + static_cast<std::ptrdiff_t>(at);
  switch (dice.below(8)) {
    case 0: input[at] = static_cast<std::uint8_t>(input[at] ^ (1U << dice.below(8))); break;
    case 1: input[at] = static_cast<std::uint8_t>(dice.roll()); break;
    case 2: set_border_bytes(input, dice); break;
    case 3: input.resize(at); break;
    case 4:
      input.erase(position, position + static_cast<std::ptrdiff_t>(std::min(input.size() - at, 1 + dice.below(16))));
      break;
    case 5: input.insert(position, static_cast<std::uint8_t>(dice.roll())); break;
    case 6: repeat_stretch(input, dice); break;
    default: splice(input, other, dice); break;
  }
  if (input.size() > kMaxInput) input.resize(kMaxInput);
}

// Mutation number `round` of file number `index`; the seed is made of contents, not of directory order or time.
void run_mutation(const std::vector<CorpusFile>& corpus, std::size_t index, std::size_t round) {
  const CorpusFile& file = corpus[index];
  Dice dice(fnv1a(file.bytes) + round);
  Input input = file.bytes;
  const Input& other = corpus[dice.below(corpus.size())].bytes;
  const std::size_t steps = 1 + dice.below(round % 4 == 3 ? 8 : 2);
  for (std::size_t i = 0; i < steps; ++i) mutate_once(input, other, dice);
  run(input, file.path.filename().string() + " mutation " + std::to_string(round));
}

std::vector<CorpusFile> load(const std::filesystem::path& where) {
  std::vector<CorpusFile> corpus;
  auto add = [&](const std::filesystem::path& path) {
    std::ifstream stream(path, std::ios::binary);
    Input bytes((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    corpus.push_back({path, std::move(bytes)});
  };
  if (std::filesystem::is_directory(where)) {
    for (const auto& entry : std::filesystem::directory_iterator(where)) {
      if (entry.is_regular_file()) add(entry.path());
    }
  } else if (std::filesystem::is_regular_file(where)) {
    add(where);
  }
  std::sort(corpus.begin(), corpus.end(), [](const CorpusFile& a, const CorpusFile& b) { return a.path < b.path; });
  return corpus;
}

std::chrono::duration<double> time_budget() {
  const char* text = std::getenv("LODESTONE_REPLAY_SECONDS");
  return std::chrono::duration<double>(text == nullptr ? 3.0 : std::strtod(text, nullptr));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS_DIRECTORY|FILE\n", argv[0]);
    return 2;
  }
  report_path = "crash." + std::filesystem::path(argv[0]).filename().string();
  const std::filesystem::path where = argv[1];
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(save_current_input);
  for (int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    if (number == SIGABRT || __sanitizer_set_death_callback == nullptr) ::signal(number, on_fatal_signal);
  }

  const std::vector<CorpusFile> corpus = load(where);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: no corpus file there\n", where.c_str());
    return 1;
  }
  for (const CorpusFile& file : corpus) run(file.bytes, file.path.filename().string());

  const auto end = std::chrono::steady_clock::now() + time_budget();
  std::size_t mutations = 0;
  for (std::size_t round = 0; round < kMutationsPerFile && std::chrono::steady_clock::now() < end; ++round) {
    for (std::size_t index = 0; index < corpus.size(); ++index, ++mutations) {
      if (mutations % 64 == 0 && std::chrono::steady_clock::now() >= end) break;
      run_mutation(corpus, index, round);
    }
  }
  std::printf("%zu corpus files and %zu mutations of them\n", corpus.size(), mutations);
  return 0;
}
