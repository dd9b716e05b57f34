// SPDX-License-Identifier: Apache-2.0
#include "node/net/tcp_link.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <utility>

namespace lodestone::node {
namespace {

constexpr std::size_t kGather = 64;  // spans per sendmsg: up to 32 blocks with their headers

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

TcpLink::TcpLink(WatchedFd socket, wire::PeerConnection connection, const wire::Endpoint& remote)
    : socket_(std::move(socket)), connection_(std::move(connection)), remote_(remote) {}

TcpLink::Outcome TcpLink::read(wire::Instant now, wire::BlockPool& pool, wire::PeerEvents& out) {
  std::array<wire::MutableBytes, wire::PeerConnection::kMaxBuffers> buffers;
  std::array<iovec, wire::PeerConnection::kMaxBuffers> vectors;
  std::size_t total = 0;
  while (total < kReadBudget) {
    const std::size_t used = connection_.prepare(pool, buffers);
    assert(used <= buffers.size());
    if (used == 0) return Outcome::starved;
    std::size_t room = 0;
    for (std::size_t i = 0; i < used; ++i) {
      vectors[i] = {buffers[i].data(), buffers[i].size()};
      room += buffers[i].size();
    }
    const ssize_t n = ::readv(socket_.fd(), vectors.data(), static_cast<int>(used));
    if (n < 0) {
      if (errno == EINTR) continue;
      if (!would_block(errno)) {
        error_ = {errno, std::system_category()};
        return Outcome::broken;
      }
      // Nothing came: blocks held out for it go back, and what had waited for a block inside goes on.
      if (const auto ok = connection_.receive(now, 0, out); !ok) {
        protocol_error_ = ok.error();
        return Outcome::broken;
      }
      return Outcome::drained;
    }
    if (n == 0) return Outcome::closed;
    const auto got = static_cast<std::size_t>(n);
    if (const auto ok = connection_.receive(now, got, out); !ok) {
      protocol_error_ = ok.error();
      return Outcome::broken;
    }
    total += got;
    // A short read has emptied the socket; asking again would only cost a system call.
    if (got < room) return Outcome::drained;
  }
  return Outcome::budget;
}

TcpLink::Outcome TcpLink::write(wire::Instant now) {
  std::array<wire::Bytes, kGather> buffers;
  std::array<iovec, kGather> vectors;
  std::size_t total = 0;
  while (total < kWriteBudget) {
    const std::size_t used = connection_.gather(buffers);
    assert(used <= buffers.size());
    if (used == 0) return Outcome::finished;
    std::size_t offered = 0;
    for (std::size_t i = 0; i < used; ++i) {
      vectors[i] = {const_cast<std::uint8_t*>(buffers[i].data()), buffers[i].size()};
      offered += buffers[i].size();
    }
    msghdr header{};
    header.msg_iov = vectors.data();
    header.msg_iovlen = used;
    const ssize_t n = ::sendmsg(socket_.fd(), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (would_block(errno)) return Outcome::drained;
      error_ = {errno, std::system_category()};
      return Outcome::broken;
    }
    const auto sent = static_cast<std::size_t>(n);
    connection_.sent(now, sent);
    total += sent;
    if (sent < offered) return Outcome::drained;
  }
  return Outcome::budget;
}

}  // namespace lodestone::node
