// SPDX-License-Identifier: Apache-2.0
// The floor under every UDP server of this machine (tests/bench/dht_server.py): one thread that takes datagrams in by
// batches of 64 and sends each back as 300 bytes, whatever it says. Nothing is read, nothing is looked up.
#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <expected>
#include <string>

#include <CLI/CLI.hpp>

#include "node/net/sockets.hpp"
#include "wire/base/endpoint.hpp"

namespace {

constexpr std::size_t kBatch = 64;
constexpr std::size_t kMaxDatagram = 2'048;

[[noreturn]] void echo(int fd, std::size_t size) {
  static std::array<std::array<char, kMaxDatagram>, kBatch> buffers;
  static std::array<sockaddr_storage, kBatch> names;
  std::array<iovec, kBatch> vectors{};
  std::array<mmsghdr, kBatch> headers{};
  for (;;) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors[i] = {buffers[i].data(), kMaxDatagram};
      headers[i] = {};
      headers[i].msg_hdr.msg_name = &names[i];
      headers[i].msg_hdr.msg_namelen = sizeof(names[i]);
      headers[i].msg_hdr.msg_iov = &vectors[i];
      headers[i].msg_hdr.msg_iovlen = 1;
    }
    const int n = ::recvmmsg(fd, headers.data(), kBatch, MSG_WAITFORONE, nullptr);
    for (int i = 0; i < n; ++i) vectors[static_cast<std::size_t>(i)].iov_len = size;
    if (n > 0) (void)::sendmmsg(fd, headers.data(), static_cast<unsigned>(n), 0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::string listen = "127.0.0.1:6881";
  std::size_t size = 300;
  CLI::App app{"Sends every datagram back"};
  app.option_defaults()->always_capture_default();
  app.add_option("--listen", listen, "IP:PORT");
  app.add_option("--size", size, "Bytes of each answer")->check(CLI::Range(std::size_t{1}, kMaxDatagram));
  CLI11_PARSE(app, argc, argv);
  const auto where = lodestone::wire::Endpoint::parse(listen);
  if (!where) {
    std::fprintf(stderr, "udp_echo: %s is no address with a port\n", listen.c_str());
    return 2;
  }
  const auto socket = lodestone::node::bind_udp(*where);
  if (!socket) {
    std::fprintf(stderr, "udp_echo: %s: %s\n", listen.c_str(), socket.error().message().c_str());
    return 1;
  }
  ::fcntl(socket->fd(), F_SETFL, 0);  // to wait is all there is to do
  echo(socket->fd(), size);
}
