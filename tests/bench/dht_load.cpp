// SPDX-License-Identifier: Apache-2.0
// Asks a DHT node as much as it can take, or at a rate, from many addresses at once (tests/bench/dht_server.py). One
// socket and one thread; the namespace routes the sources to this machine (AnyIP).
//   --window N   closed loop: N queries are always out (one counts as lost after 100 ms)
//   --rate N     open loop: N a second, whether or not they are answered
//   --nap MS     with --rate: sleeps so long, and what the system adds, between looks: latencies are longer by up to
//                that; without it a core is spent
//   --store N    first every source announces itself for N hashes, with tokens; then nothing else is measured
// A reply counts once, for the query whose transaction it carries; what it says is looked at as far as its kind: `y` is
// `r`, and there are nodes where nodes were asked for. stdout: one JSON record.
#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "node/net/sockets.hpp"
#include "wire/base/bytes.hpp"
#include "wire/base/endpoint.hpp"

namespace {

using namespace lodestone;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatch = 64;
constexpr std::size_t kMaxDatagram = 2'048;
constexpr double kPatience = 0.1;  // seconds
constexpr std::uint32_t kOpen = 1u << 20;

struct Options {
  std::string to = "127.0.0.1:6881";
  std::string sources = "198.19.0.0/16";
  double seconds = 3;
  std::size_t window = 512;
  double rate = 0;
  double nap = 0;  // milliseconds
  unsigned pings = 1, finds = 4, gets = 5;
  std::size_t store = 0;
  std::size_t announcers = 0;
  int pid = 0;
  std::uint64_t seed = 1;
};

/// Quick and good enough for traffic.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed * 0x9e37'79b9'7f4a'7c15 + 1) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e37'79b9'7f4a'7c15);
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11eb;
    return z ^ (z >> 31);
  }
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>((next() >> 32) * n >> 32); }
  void id(char* out) {
    const std::array<std::uint64_t, 3> raw{next(), next(), next()};
    std::memcpy(out, raw.data(), 20);
  }

 private:
  std::uint64_t state_;
};

/// On-CPU seconds of a process, over all its threads.
double cpu_of(int pid) {
  const std::string folder = "/proc/" + std::to_string(pid) + "/task";
  DIR* tasks = pid > 0 ? ::opendir(folder.c_str()) : nullptr;
  if (tasks == nullptr) return 0;
  double sum = 0;
  while (const dirent* task = ::readdir(tasks)) {
    if (task->d_name[0] == '.') continue;
    std::ifstream stat(folder + "/" + task->d_name + "/schedstat");
    double nanoseconds = 0;
    if (stat >> nanoseconds) sum += nanoseconds / 1e9;
  }
  ::closedir(tasks);
  return sum;
}

enum class Kind : std::uint8_t { ping, find_node, get_peers, announce };

class Load {
 public:
  Load(int fd, const Options& options, const wire::Endpoint& to, std::uint32_t first_source, std::uint32_t sources)
      : options_(options), fd_(fd), first_source_(first_source), sources_(sources), dice_(options.seed) {
    to_size_ = node::to_sockaddr(to, to_);
    sent_.resize(kOpen);
    latency_us_.resize(static_cast<std::size_t>(kPatience * 1e6) + 1);
    for (std::size_t i = 0; i < kBatch; ++i) {
      in_vectors_[i] = {in_[i].data(), kMaxDatagram};
      in_headers_[i].msg_hdr.msg_iov = &in_vectors_[i];
      in_headers_[i].msg_hdr.msg_iovlen = 1;
      in_headers_[i].msg_hdr.msg_control = in_control_[i].bytes.data();
    }
  }

  void run() {
    if (options_.store > 0) return store();
    const double cpu_before = cpu_of(options_.pid);
    begin_ = Clock::now();
    double at = 0;
    while ((at = elapsed()) < options_.seconds) {
      expire(at);
      send(at, wanted(at));
      if (options_.nap > 0) std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(options_.nap));
      while (receive(elapsed()) == kBatch) {
      }
    }
    seconds_ = elapsed();
    cpu_ = cpu_of(options_.pid) - cpu_before;
    in_time_ = replies_;
    while (open_ > 0 && elapsed() < seconds_ + 2 * kPatience) receive(elapsed());
  }

  [[nodiscard]] nlohmann::ordered_json record() const {
    nlohmann::ordered_json out = {{"type", "load"},
                                  {"seconds", seconds_},
                                  {"sent", asked_},
                                  {"replies", replies_},
                                  {"replies_per_second", seconds_ > 0 ? static_cast<double>(in_time_) / seconds_ : 0},
                                  {"lost", asked_ - replies_},
                                  {"errors", errors_},
                                  {"invalid", invalid_},
                                  {"stray", stray_},
                                  {"bytes_per_reply", share(bytes_, replies_)},
                                  {"p50_us", percentile(0.5)},
                                  {"p99_us", percentile(0.99)},
                                  {"stored", stored_}};
    if (options_.pid > 0) out["cpu_us_per_reply"] = in_time_ == 0 ? 0 : cpu_ * 1e6 / static_cast<double>(in_time_);
    return out;
  }

 private:
  struct Sent {
    float at = 0;
    Kind kind = Kind::ping;
    bool open = false;
    std::uint32_t source = 0;
    std::uint32_t hash = 0;
  };
  struct Token {
    std::uint32_t source, hash;
    std::array<char, 32> bytes;
    std::uint8_t size;
  };
  struct alignas(cmsghdr) Control {
    std::array<char, CMSG_SPACE(sizeof(in_pktinfo))> bytes;
  };

  static double share(std::uint64_t a, std::uint64_t b) {
    return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
  }
  [[nodiscard]] double elapsed() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }
  [[nodiscard]] std::uint32_t percentile(double share) const {
    std::uint64_t all = 0, below = 0;
    for (const std::uint32_t n : latency_us_) all += n;
    for (std::size_t us = 0; us < latency_us_.size(); ++us) {
      below += latency_us_[us];
      if (static_cast<double>(below) >= share * static_cast<double>(all)) return static_cast<std::uint32_t>(us);
    }
    return 0;
  }

  /// How many may leave now.
  [[nodiscard]] std::size_t wanted(double at) const {
    if (options_.rate > 0) {
      const auto due = static_cast<std::uint64_t>(at * options_.rate);
      return due > asked_ ? static_cast<std::size_t>(due - asked_) : 0;
    }
    return options_.window > open_ ? options_.window - open_ : 0;
  }

  void expire(double at) {
    for (; oldest_ != next_; ++oldest_) {
      Sent& s = sent_[oldest_ % kOpen];
      if (s.open && at - s.at <= kPatience) return;
      open_ -= s.open;
      s.open = false;
    }
  }

  void send(double at, std::size_t count) {
    while (count > 0 && next_ - oldest_ < kOpen - kBatch) {
      const std::size_t n = std::min(count, kBatch);
      for (std::size_t i = 0; i < n; ++i) compose(i, next_ + static_cast<std::uint32_t>(i), at, draw(), nullptr);
      if (!flush(n)) return;
      count -= n;
    }
  }
  bool flush(std::size_t n) {
    const int done = ::sendmmsg(fd_, out_headers_.data(), static_cast<unsigned>(n), 0);
    if (done <= 0) return false;
    asked_ += static_cast<std::uint64_t>(done);
    open_ += static_cast<std::size_t>(done);
    next_ += static_cast<std::uint32_t>(done);
    return static_cast<std::size_t>(done) == n;
  }

  [[nodiscard]] Sent draw() {
    const std::uint32_t roll = dice_.below(options_.pings + options_.finds + options_.gets);
    const Kind kind = roll < options_.pings                    ? Kind::ping
                      : roll < options_.pings + options_.finds ? Kind::find_node
                                                               : Kind::get_peers;
    return {0, kind, true, dice_.below(sources_), 0};
  }
  /// Of the `number`th hash, the same in every run.
  static void hash_bytes(std::uint32_t number, char* out) { Dice(0x5eed + number).id(out); }

  void compose(std::size_t slot, std::uint32_t transaction, double at, Sent sent, const Token* token) {
    char* const begin = out_[slot].data();
    char* p = begin;
    const auto text = [&](std::string_view s) {
      std::memcpy(p, s.data(), s.size());
      p += s.size();
    };
    text("d1:ad2:id20:");
    dice_.id(p);
    p += 20;
    const auto key = [&] {
      if (options_.store > 0) {
        hash_bytes(sent.hash, p);
      } else {
        dice_.id(p);
      }
      p += 20;
    };
    switch (sent.kind) {
      case Kind::ping: text("e1:q4:ping"); break;
      case Kind::find_node: text("6:target20:"), key(), text("e1:q9:find_node"); break;
      case Kind::get_peers: text("9:info_hash20:"), key(), text("e1:q9:get_peers"); break;
      case Kind::announce:
        text("9:info_hash20:"), key(), text("4:porti6881e5:token");
        text(std::to_string(token->size) + ":");
        text({token->bytes.data(), token->size});
        text("e1:q13:announce_peer");
        break;
    }
    text("1:t4:");
    std::memcpy(p, &transaction, 4);
    p += 4;
    text("1:y1:qe");
    sent.at = static_cast<float>(at);
    sent.open = true;
    sent_[transaction % kOpen] = sent;

    out_vectors_[slot] = {begin, static_cast<std::size_t>(p - begin)};
    mmsghdr& h = out_headers_[slot];
    h = {};
    h.msg_hdr.msg_name = &to_;
    h.msg_hdr.msg_namelen = to_size_;
    h.msg_hdr.msg_iov = &out_vectors_[slot];
    h.msg_hdr.msg_iovlen = 1;
    h.msg_hdr.msg_control = out_control_[slot].bytes.data();
    h.msg_hdr.msg_controllen = sizeof(Control);
    cmsghdr* c = CMSG_FIRSTHDR(&h.msg_hdr);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    in_pktinfo info{};
    info.ipi_spec_dst.s_addr = htonl(first_source_ + sent.source);
    std::memcpy(CMSG_DATA(c), &info, sizeof(info));
  }

  /// Returns how many came in at once.
  std::size_t receive(double at) {
    for (mmsghdr& h : in_headers_) h.msg_hdr.msg_controllen = sizeof(Control);
    const int n = ::recvmmsg(fd_, in_headers_.data(), kBatch, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < n; ++i) {
      const auto slot = static_cast<std::size_t>(i);
      take({in_[slot].data(), in_headers_[slot].msg_len}, at);
    }
    return static_cast<std::size_t>(std::max(n, 0));
  }

  void take(std::string_view datagram, double at) {
    constexpr std::string_view kMark = "1:t4:", kReply = "1:y1:re", kError = "1:y1:ee";
    for (std::size_t p = datagram.find(kMark); p != datagram.npos; p = datagram.find(kMark, p + 1)) {
      if (p + kMark.size() + 4 > datagram.size()) break;
      std::uint32_t transaction = 0;
      std::memcpy(&transaction, datagram.data() + p + kMark.size(), 4);
      Sent& s = sent_[transaction % kOpen];
      if (transaction - oldest_ >= next_ - oldest_ || !s.open) continue;
      s.open = false;
      --open_;
      ++replies_;
      bytes_ += datagram.size();
      const double us = (at - static_cast<double>(s.at)) * 1e6;
      ++latency_us_[std::min(latency_us_.size() - 1, static_cast<std::size_t>(std::max(0.0, us)))];
      if (datagram.ends_with(kError)) {
        ++errors_;
      } else if (!datagram.ends_with(kReply) || !says_enough(s.kind, datagram)) {
        ++invalid_;
      } else if (s.kind == Kind::announce) {
        ++stored_;
      } else if (options_.store > 0) {
        keep_token(s, datagram);
      }
      return;
    }
    ++stray_;
  }
  static bool says_enough(Kind kind, std::string_view datagram) {
    if (kind == Kind::ping || kind == Kind::announce) return true;
    const std::size_t nodes = datagram.find("5:nodes");
    return nodes != datagram.npos && std::atoi(datagram.data() + nodes + 7) >= 26;
  }
  void keep_token(const Sent& s, std::string_view datagram) {
    const std::size_t at = datagram.find("5:token");
    if (at == datagram.npos) return;
    const auto size = static_cast<std::size_t>(std::atoi(datagram.data() + at + 7));
    const std::size_t begin = datagram.find(':', at + 7) + 1;
    Token token{s.source, s.hash, {}, static_cast<std::uint8_t>(size)};
    if (size == 0 || size > token.bytes.size() || begin + size > datagram.size()) return;
    std::memcpy(token.bytes.data(), datagram.data() + begin, size);
    tokens_.push_back(token);
  }

  /// Each of `announcers` sources for each of `store` hashes: ask for a token, then announce.
  void store() {
    begin_ = Clock::now();
    const std::uint64_t all = std::uint64_t{options_.store} * options_.announcers;
    std::uint64_t asked = 0;
    for (double at = 0; (asked < all || open_ > 0 || !tokens_.empty()) && at < options_.seconds; at = elapsed()) {
      expire(at);
      std::size_t n = 0;
      for (; n < kBatch && open_ + n < options_.window; ++n) {
        const auto transaction = next_ + static_cast<std::uint32_t>(n);
        if (!tokens_.empty()) {
          const Token token = tokens_.back();
          tokens_.pop_back();
          compose(n, transaction, at, {0, Kind::announce, true, token.source, token.hash}, &token);
        } else if (asked < all) {
          const auto hash = static_cast<std::uint32_t>(asked % options_.store);
          const auto source = static_cast<std::uint32_t>((asked / options_.store * 7'919 + hash) % sources_);
          compose(n, transaction, at, {0, Kind::get_peers, true, source, hash}, nullptr);
          ++asked;
        } else {
          break;
        }
      }
      if (n > 0) flush(n);
      receive(elapsed());
    }
    seconds_ = elapsed();
    in_time_ = replies_;
  }

  Options options_;
  int fd_;
  std::uint32_t first_source_, sources_;
  Dice dice_;
  sockaddr_storage to_{};
  socklen_t to_size_ = 0;
  Clock::time_point begin_;

  std::array<std::array<char, 256>, kBatch> out_;
  std::array<Control, kBatch> out_control_{};
  std::array<iovec, kBatch> out_vectors_{};
  std::array<mmsghdr, kBatch> out_headers_{};
  std::array<std::array<char, kMaxDatagram>, kBatch> in_;
  std::array<Control, kBatch> in_control_{};
  std::array<iovec, kBatch> in_vectors_{};
  std::array<mmsghdr, kBatch> in_headers_{};

  std::vector<Sent> sent_;  // by transaction
  std::uint32_t next_ = 0, oldest_ = 0;
  std::size_t open_ = 0;
  std::vector<Token> tokens_;
  std::vector<std::uint32_t> latency_us_;
  std::uint64_t asked_ = 0, replies_ = 0, in_time_ = 0, errors_ = 0, invalid_ = 0, stray_ = 0, bytes_ = 0, stored_ = 0;
  double seconds_ = 0, cpu_ = 0;
};

struct Prefix {
  std::uint32_t first;
  std::uint32_t count;
};
std::optional<Prefix> parse_prefix(const std::string& text) {
  const std::size_t slash = text.find('/');
  const auto address = wire::Address::parse(text.substr(0, slash));
  const int bits = slash == text.npos ? 32 : std::atoi(text.c_str() + slash + 1);
  if (!address || !address->is_v4() || bits < 1 || bits > 32) return std::nullopt;
  return Prefix{wire::load_be32(address->bytes().data()), bits == 32 ? 1 : (1u << (32 - bits)) - 1};
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app{"Asks a DHT node from many addresses"};
  app.option_defaults()->always_capture_default();
  app.add_option("--to", options.to, "IP:PORT");
  app.add_option("--sources", options.sources, "Whose addresses we ask from, A.B.C.D/N");
  app.add_option("--seconds", options.seconds, "How long");
  app.add_option("--window", options.window, "Queries that are out at once")->check(CLI::Range(1, 100'000));
  app.add_option("--rate", options.rate, "Queries a second, instead of a window");
  app.add_option("--nap", options.nap, "Milliseconds of sleep between looks, with --rate");
  app.add_option("--pings", options.pings, "Their share");
  app.add_option("--finds", options.finds, "The share of find_node");
  app.add_option("--gets", options.gets, "The share of get_peers");
  app.add_option("--store", options.store, "Announce for so many hashes instead");
  app.add_option("--announcers", options.announcers, "So many sources for each");
  app.add_option("--pid", options.pid, "Whose CPU time is told");
  app.add_option("--seed", options.seed, "Of what is asked");
  CLI11_PARSE(app, argc, argv);
  const auto to = wire::Endpoint::parse(options.to);
  const auto sources = parse_prefix(options.sources);
  if (!to || !sources || !to->address.is_v4() || options.pings + options.finds + options.gets == 0) {
    std::fprintf(stderr, "dht_load: --to is IP:PORT, --sources A.B.C.D/N, and something has to be asked\n");
    return 2;
  }
  // Replies come to all of the sources: a wildcard.
  const auto socket = node::bind_udp({wire::Address{}, 0});
  if (!socket) {
    std::fprintf(stderr, "dht_load: %s\n", socket.error().message().c_str());
    return 1;
  }
  Load load(socket->fd(), options, *to, sources->first + 1, sources->count);
  load.run();
  std::puts(load.record().dump().c_str());
  return 0;
}
