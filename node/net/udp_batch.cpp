// SPDX-License-Identifier: Apache-2.0
#include "node/net/udp_batch.hpp"

#include <netinet/in.h>
#include <sched.h>
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

struct UdpBatch::Arena {
  // Not of a power of two: their first lines would share two sets of the first cache.
  static constexpr std::size_t kStride = kMaxDatagram + 64;
  /// What the system reads of a datagram, or writes: all of it that stays the same is written once.
  struct Half {
    std::array<sockaddr_storage, kBatch> names;
    std::array<iovec, kBatch> vectors;
    std::array<mmsghdr, kBatch> headers{};
    Half() {
      for (std::size_t i = 0; i < kBatch; ++i) {
        headers[i].msg_hdr.msg_name = &names[i];
        headers[i].msg_hdr.msg_iov = &vectors[i];
        headers[i].msg_hdr.msg_iovlen = 1;
      }
    }
  };
  // Of fixed size; a port that is not used touches none of these pages.
  std::unique_ptr<std::array<std::array<std::uint8_t, kStride>, kBatch>> buffers{
      new std::array<std::array<std::uint8_t, kStride>, kBatch>};
  std::array<ControlBuffer, kBatch> control;
  Half in, out;
  std::vector<Received> received;
};

UdpBatch::UdpBatch(int fd)
    : fd_(fd),
      local_(local_endpoint(fd).value_or(wire::Endpoint{})),
      wildcard_(local_.address.is_unspecified()),
      arena_(new Arena) {
  arena_->received.reserve(kBatch);
}

UdpBatch::~UdpBatch() = default;

std::span<const UdpBatch::Received> UdpBatch::receive() {
  Arena& a = *arena_;
  Arena::Half& in = a.in;
  a.received.clear();
  for (std::size_t i = 0; i < kBatch; ++i) {
    in.vectors[i] = {(*a.buffers)[i].data(), kMaxDatagram};
    msghdr& h = in.headers[i].msg_hdr;
    h.msg_namelen = sizeof(in.names[i]);
    if (wildcard_) {
      h.msg_control = a.control[i].bytes.data();
      h.msg_controllen = kControl;
    }
  }
  int n = 0;
  do {
    n = ::recvmmsg(fd_, in.headers.data(), kBatch, MSG_DONTWAIT, nullptr);
  } while (n < 0 && errno == EINTR);
  last_ = n > 0 ? static_cast<std::size_t>(n) : 0;
  for (std::size_t i = 0; n > 0 && i < static_cast<std::size_t>(n); ++i) {
    msghdr& h = in.headers[i].msg_hdr;
    if ((h.msg_flags & MSG_TRUNC) != 0) {
      ++counters_.oversized;
      continue;
    }
    const auto from = from_sockaddr(in.names[i]);
    if (!from) continue;
    a.received.push_back({*from, wildcard_ ? destination_of(h) : local_.address,
                          wire::Bytes{(*a.buffers)[i].data(), in.headers[i].msg_len}});
  }
  counters_.received += a.received.size();
  return a.received;
}

bool UdpBatch::look_again() const {
  if (last_ < kLarge) return false;
  if (last_ < kBatch) ::sched_yield();
  return true;
}

std::size_t UdpBatch::prepare(const wire::DatagramBatch& batch, std::span<const wire::Address> sources,
                              std::size_t first) {
  Arena& a = *arena_;
  Arena::Half& out = a.out;
  const std::size_t n = std::min(kBatch, batch.size() - first);
  for (std::size_t i = 0; i < n; ++i) {
    const auto& entry = batch.entries()[first + i];
    const wire::Bytes payload = batch.payload(entry);
    out.vectors[i] = {const_cast<std::uint8_t*>(payload.data()), payload.size()};
    msghdr& h = out.headers[i].msg_hdr;
    h.msg_namelen = to_sockaddr(entry.to, out.names[i]);
    h.msg_controllen = 0;
    if (wildcard_ && first + i < sources.size() && !sources[first + i].is_unspecified() &&
        sources[first + i].family() == local_.family()) {
      set_source(h, a.control[i], sources[first + i]);
    }
  }
  return n;
}

bool UdpBatch::send_in_fragments(std::size_t i) {
  forbid_fragments(fd_, false);
  const bool sent = ::sendmsg(fd_, &arena_->out.headers[i].msg_hdr, MSG_DONTWAIT) >= 0;
  forbid_fragments(fd_, true);
  counters_.refused += sent ? 0 : 1;
  return sent;
}

void UdpBatch::send(const wire::DatagramBatch& batch, std::span<const wire::Address> sources) {
  std::size_t next = 0;
  while (next < batch.size()) {
    const std::size_t n = prepare(batch, sources, next);
    std::size_t done = 0;
    while (done < n) {
      const int sent =
          ::sendmmsg(fd_, arena_->out.headers.data() + done, static_cast<unsigned>(n - done), MSG_DONTWAIT);
      if (sent > 0) {
        done += static_cast<std::size_t>(sent);
        counters_.sent += static_cast<std::uint64_t>(sent);
      } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
        counters_.dropped += batch.size() - next - done;
        return;
      } else if (errno == EMSGSIZE) {
        counters_.sent += send_in_fragments(done) ? 1 : 0;
        ++done;
      } else if (errno != EINTR) {
        // The error belongs to the first unsent datagram alone.
        ++done;
        ++counters_.refused;
      }
    }
    next += n;
  }
}

}  // namespace lodestone::node
