// SPDX-License-Identifier: Apache-2.0
#include "node/net/sockets.hpp"

#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>

namespace lodestone::node {
namespace {

constexpr int kUdpReceiveBuffer = 2 << 20;  // bytes: a burst of replies to a lookup must not be lost to a busy moment
constexpr int kListenBacklog = 256;

bool set_option(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

std::expected<UniqueFd, std::error_code> make_socket(wire::Family family, int type) {
  const int domain = family == wire::Family::v4 ? AF_INET : AF_INET6;
  UniqueFd fd{::socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd) return std::unexpected(last_error());
  if (domain == AF_INET6 && !set_option(fd.fd(), IPPROTO_IPV6, IPV6_V6ONLY, 1)) return std::unexpected(last_error());
  return fd;
}

std::error_code bind_to(int fd, const wire::Endpoint& local) {
  sockaddr_storage address;
  const socklen_t size = to_sockaddr(local, address);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0) return last_error();
  return {};
}

std::expected<UniqueFd, std::error_code> bind_udp(const wire::Endpoint& local, bool in_group) {
  auto fd = make_socket(local.family(), SOCK_DGRAM);
  if (!fd) return fd;
  if (in_group && !set_option(fd->fd(), SOL_SOCKET, SO_REUSEPORT, 1)) return std::unexpected(last_error());
  set_option(fd->fd(), SOL_SOCKET, SO_RCVBUF, kUdpReceiveBuffer);  // as much as the system allows
  if (local.address.is_unspecified()) {
    if (local.family() == wire::Family::v4) {
      set_option(fd->fd(), IPPROTO_IP, IP_PKTINFO, 1);
    } else {
      set_option(fd->fd(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    }
  }
  forbid_fragments(fd->fd(), true);
  if (const auto error = bind_to(fd->fd(), local)) return std::unexpected(error);
  return fd;
}

/// Which of the group gets a datagram: a number from the first bits of its source, modulo their count. The system runs
/// this for each one.
bool share_by_prefix(int fd, wire::Family family, std::size_t count) {
  constexpr std::uint32_t kSpread = 0x9e37'79b1;
  constexpr std::uint32_t kSource4 = 12, kSource6 = 8;  // in their headers
  const auto in_header = [](std::uint32_t at) { return static_cast<std::uint32_t>(SKF_NET_OFF) + at; };
  std::vector<sock_filter> program;
  if (family == wire::Family::v4) {
    program = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, in_header(kSource4)), BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 8)};
  } else {
    program = {BPF_STMT(BPF_LD | BPF_H | BPF_ABS, in_header(kSource6 + 4)), BPF_STMT(BPF_MISC | BPF_TAX, 0),
               BPF_STMT(BPF_LD | BPF_W | BPF_ABS, in_header(kSource6)), BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0)};
  }
  program.push_back(BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, kSpread));
  program.push_back(BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 16));
  program.push_back(BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, static_cast<std::uint32_t>(count)));
  program.push_back(BPF_STMT(BPF_RET | BPF_A, 0));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof(filter)) == 0;
}

}  // namespace

socklen_t to_sockaddr(const wire::Endpoint& endpoint, sockaddr_storage& out) {
  const wire::Bytes raw = endpoint.address.bytes();
  if (endpoint.family() == wire::Family::v4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(endpoint.port);
    std::memcpy(&in.sin_addr, raw.data(), raw.size());
    std::memcpy(&out, &in, sizeof(in));
    return sizeof(in);
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(endpoint.port);
  std::memcpy(&in.sin6_addr, raw.data(), raw.size());
  std::memcpy(&out, &in, sizeof(in));
  return sizeof(in);
}

std::optional<wire::Endpoint> from_sockaddr(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, &address, sizeof(in));
    return wire::Endpoint{wire::Address::v4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
  }
  if (address.ss_family != AF_INET6) return std::nullopt;
  sockaddr_in6 in;
  std::memcpy(&in, &address, sizeof(in));
  if (IN6_IS_ADDR_V4MAPPED(&in.sin6_addr)) {
    return wire::Endpoint{*wire::Address::from_bytes({in.sin6_addr.s6_addr + 12, 4}), ntohs(in.sin6_port)};
  }
  return wire::Endpoint{*wire::Address::from_bytes({in.sin6_addr.s6_addr, 16}), ntohs(in.sin6_port)};
}

std::optional<wire::Endpoint> local_endpoint(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return std::nullopt;
  return from_sockaddr(address);
}

std::expected<UniqueFd, std::error_code> bind_udp(const wire::Endpoint& local) { return bind_udp(local, false); }

std::expected<std::vector<UniqueFd>, std::error_code> bind_udp_group(wire::Endpoint local, std::size_t count) {
  std::vector<UniqueFd> group;
  if (count > 1) {
    // A group takes in whoever asks for it, another process as well; alone one finds out whether the port is free, and
    // gives it back at the end of this block.
    const auto alone = bind_udp(local);
    if (!alone) return std::unexpected(alone.error());
    local.port = local_endpoint(alone->fd()).value_or(local).port;
  }
  for (std::size_t i = 0; i < count; ++i) {
    auto fd = bind_udp(local, count > 1);
    if (!fd) return std::unexpected(fd.error());
    local.port = local_endpoint(fd->fd()).value_or(local).port;
    group.push_back(*std::move(fd));
  }
  if (count > 1 && !share_by_prefix(group.front().fd(), local.family(), count)) return std::unexpected(last_error());
  return group;
}

void forbid_fragments(int fd, bool forbid) {
  set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, forbid ? IP_PMTUDISC_DO : IP_PMTUDISC_WANT);
}

std::expected<UniqueFd, std::error_code> listen_tcp(const wire::Endpoint& local) {
  auto fd = make_socket(local.family(), SOCK_STREAM);
  if (!fd) return fd;
  // Connections of an earlier run in TIME_WAIT shall not keep us from the port; two listeners still exclude each other.
  set_option(fd->fd(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (const auto error = bind_to(fd->fd(), local)) return std::unexpected(error);
  if (::listen(fd->fd(), kListenBacklog) != 0) return std::unexpected(last_error());
  return fd;
}

std::expected<UniqueFd, std::error_code> connect_tcp(const wire::Endpoint& to,
                                                     const std::optional<wire::Address>& source) {
  auto fd = make_socket(to.family(), SOCK_STREAM);
  if (!fd) return fd;
  set_no_delay(fd->fd());
  if (source) {
    // The port is chosen at connect() time, when the four-tuple is known: many connections then share a source port.
    set_option(fd->fd(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    if (const auto error = bind_to(fd->fd(), wire::Endpoint{*source, 0})) return std::unexpected(error);
  }
  sockaddr_storage address;
  const socklen_t size = to_sockaddr(to, address);
  if (::connect(fd->fd(), reinterpret_cast<const sockaddr*>(&address), size) != 0 && errno != EINPROGRESS &&
      errno != EINTR) {
    return std::unexpected(last_error());
  }
  return fd;
}

std::error_code connect_result(int fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return last_error();
  return {error, std::system_category()};
}

void set_no_delay(int fd) { set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1); }

}  // namespace lodestone::node
