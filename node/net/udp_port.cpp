// SPDX-License-Identifier: Apache-2.0
#include "node/net/udp_port.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "node/net/sockets.hpp"

namespace lodestone::node {
namespace {

constexpr std::size_t kControl = CMSG_SPACE(sizeof(in6_pktinfo));  // the larger of the two
static_assert(sizeof(in6_pktinfo) >= sizeof(in_pktinfo));

struct alignas(cmsghdr) ControlBuffer {
  std::array<char, kControl> bytes;
};

/// The address a datagram was sent to.
wire::Address destination_of(msghdr& header) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof(info));
      return wire::Address::v4(ntohl(info.ipi_addr.s_addr));
    }
    if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof(info));
      if (const auto a = wire::Address::from_bytes({info.ipi6_addr.s6_addr, 16})) return *a;
    }
  }
  return {};
}

void set_source(msghdr& header, ControlBuffer& control, const wire::Address& source) {
  const wire::Bytes raw = source.bytes();
  header.msg_control = control.bytes.data();
  control.bytes.fill(0);
  if (source.is_v4()) {
    header.msg_controllen = CMSG_SPACE(sizeof(in_pktinfo));
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = IPPROTO_IP;
    c->cmsg_type = IP_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, raw.data(), raw.size());
    std::memcpy(CMSG_DATA(c), &info, sizeof(info));
    return;
  }
  header.msg_controllen = CMSG_SPACE(sizeof(in6_pktinfo));
  cmsghdr* c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = IPPROTO_IPV6;
  c->cmsg_type = IPV6_PKTINFO;
  c->cmsg_len = CMSG_LEN(sizeof(in6_pktinfo));
  in6_pktinfo info{};
  std::memcpy(&info.ipi6_addr, raw.data(), raw.size());
  std::memcpy(CMSG_DATA(c), &info, sizeof(info));
}

}  // namespace

struct UdpPort::State {
  WatchedFd fd;
  Handler handler;
  wire::Endpoint local;
  bool wildcard = false;
  Counters counters;

  // Arenas of fixed size; a port that is not used touches none of these pages.
  std::unique_ptr<std::array<std::array<std::uint8_t, kMaxDatagram>, kBatch>> buffers{
      new std::array<std::array<std::uint8_t, kMaxDatagram>, kBatch>};
  std::array<ControlBuffer, kBatch> control;
  std::array<sockaddr_storage, kBatch> names;
  std::array<iovec, kBatch> vectors;
  std::array<mmsghdr, kBatch> headers;
  std::vector<Received> received;

  void on_readable();
  /// False when there was nothing (more) to read.
  bool receive_batch();
  std::size_t prepare(const wire::DatagramBatch& batch, std::span<const wire::Address> sources, std::size_t first);
};

UdpPort::UdpPort(asio::io_context& io, UniqueFd socket, Handler handler) : state_(std::make_unique<State>()) {
  state_->handler = std::move(handler);
  state_->local = local_endpoint(socket.fd()).value_or(wire::Endpoint{});
  state_->wildcard = state_->local.address.is_unspecified();
  state_->received.reserve(kBatch);
  State* state = state_.get();  // owns the watcher, which calls nobody after its end
  state_->fd = WatchedFd{io, std::move(socket), [state](WatchedFd::Ready) { state->on_readable(); }};
  state_->fd.want_read();
}

UdpPort::~UdpPort() = default;

const wire::Endpoint& UdpPort::local() const { return state_->local; }
const UdpPort::Counters& UdpPort::counters() const { return state_->counters; }

void UdpPort::State::on_readable() {
  for (std::size_t i = 0; i < kBatchesPerWake; ++i)
    if (!receive_batch()) break;
  fd.want_read();
}

bool UdpPort::State::receive_batch() {
  for (std::size_t i = 0; i < kBatch; ++i) {
    vectors[i] = {(*buffers)[i].data(), kMaxDatagram};
    msghdr& h = headers[i].msg_hdr;
    h = {};
    h.msg_name = &names[i];
    h.msg_namelen = sizeof(names[i]);
    h.msg_iov = &vectors[i];
    h.msg_iovlen = 1;
    if (wildcard) {
      h.msg_control = control[i].bytes.data();
      h.msg_controllen = kControl;
    }
  }
  int n = 0;
  do {
    n = ::recvmmsg(fd.fd(), headers.data(), kBatch, MSG_DONTWAIT, nullptr);
  } while (n < 0 && errno == EINTR);
  if (n <= 0) return false;

  received.clear();
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    msghdr& h = headers[i].msg_hdr;
    if ((h.msg_flags & MSG_TRUNC) != 0) {
      ++counters.oversized;
      continue;
    }
    const auto from = from_sockaddr(names[i]);
    if (!from) continue;
    received.push_back(
        {*from, wildcard ? destination_of(h) : local.address, wire::Bytes{(*buffers)[i].data(), headers[i].msg_len}});
  }
  counters.received += received.size();
  const bool full = static_cast<std::size_t>(n) == kBatch;
  if (!received.empty()) handler(received);
  return full;
}

std::size_t UdpPort::State::prepare(const wire::DatagramBatch& batch, std::span<const wire::Address> sources,
                                    std::size_t first) {
  const std::size_t n = std::min(kBatch, batch.size() - first);
  for (std::size_t i = 0; i < n; ++i) {
    const auto& entry = batch.entries()[first + i];
    const wire::Bytes payload = batch.payload(entry);
    vectors[i] = {const_cast<std::uint8_t*>(payload.data()), payload.size()};
    headers[i].msg_len = 0;
    msghdr& h = headers[i].msg_hdr;
    h = {};
    h.msg_name = &names[i];
    h.msg_namelen = to_sockaddr(entry.to, names[i]);
    h.msg_iov = &vectors[i];
    h.msg_iovlen = 1;
    if (wildcard && first + i < sources.size() && !sources[first + i].is_unspecified() &&
        sources[first + i].family() == local.family()) {
      set_source(h, control[i], sources[first + i]);
    }
  }
  return n;
}

void UdpPort::send(const wire::DatagramBatch& batch, std::span<const wire::Address> sources) {
  State& s = *state_;
  std::size_t next = 0;
  while (next < batch.size()) {
    const std::size_t n = s.prepare(batch, sources, next);
    std::size_t done = 0;
    while (done < n) {
      const int sent = ::sendmmsg(s.fd.fd(), s.headers.data() + done, static_cast<unsigned>(n - done), MSG_DONTWAIT);
      if (sent > 0) {
        done += static_cast<std::size_t>(sent);
        s.counters.sent += static_cast<std::uint64_t>(sent);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
        s.counters.dropped += batch.size() - next - done;
        return;
      } else if (errno != EINTR) {
        // The error belongs to the first unsent datagram alone.
        ++done;
        ++s.counters.refused;
      }
    }
    next += n;
  }
}

}  // namespace lodestone::node
