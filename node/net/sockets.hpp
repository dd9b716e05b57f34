// SPDX-License-Identifier: Apache-2.0
// Sockets as the system makes them: wire::Endpoint to sockaddr and back, and the few options that we want everywhere.
// All sockets are non-blocking and close-on-exec; IPv6 sockets are v6only (BEP 32: one socket per family).
#pragma once

#include <sys/socket.h>

#include <expected>
#include <optional>
#include <system_error>
#include <vector>

#include "node/net/fd.hpp"
#include "wire/base/endpoint.hpp"

namespace lodestone::node {

/// Returns the length used.
socklen_t to_sockaddr(const wire::Endpoint& endpoint, sockaddr_storage& out);
/// A v4-mapped address becomes v4; nullopt for other families.
[[nodiscard]] std::optional<wire::Endpoint> from_sockaddr(const sockaddr_storage& address);
[[nodiscard]] std::optional<wire::Endpoint> local_endpoint(int fd);

/// Bound; a wildcard asks for IP_PKTINFO so that answers can leave from the address that was asked.
[[nodiscard]] std::expected<UniqueFd, std::error_code> bind_udp(const wire::Endpoint& local);
/// `count` sockets bound to one address and port, of which each gets all that comes from a prefix (/24, v6: /48), so
/// that whoever keeps a source's rate sees all of it. Fails where anybody else has the port. Port 0: any.
[[nodiscard]] std::expected<std::vector<UniqueFd>, std::error_code> bind_udp_group(wire::Endpoint local,
                                                                                   std::size_t count);
/// Of a UDP socket over IPv4; bind_udp() does. The system then need not draw a number for each datagram, which is a
/// fifteenth of what one costs; what is longer than its path allows fails with EMSGSIZE.
void forbid_fragments(int fd, bool forbid);
/// Bound and listening.
[[nodiscard]] std::expected<UniqueFd, std::error_code> listen_tcp(const wire::Endpoint& local);
/// Connecting, perhaps connected already: writable when decided, then connect_result(). `source` without port.
[[nodiscard]] std::expected<UniqueFd, std::error_code> connect_tcp(const wire::Endpoint& to,
                                                                   const std::optional<wire::Address>& source);
[[nodiscard]] std::error_code connect_result(int fd);
void set_no_delay(int fd);

}  // namespace lodestone::node
