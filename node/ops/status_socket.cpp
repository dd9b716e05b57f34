// SPDX-License-Identifier: Apache-2.0
#include "node/ops/status_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include <fmt/format.h>
#include <httplib.h>

namespace lodestone::node {
namespace {

constexpr const char* kSocketName = "node.sock";
constexpr int kWaiting = 16;  // connections
constexpr auto kConnectLimit = std::chrono::seconds(2);
constexpr auto kAnswerLimit = std::chrono::seconds(5);  // more than a node takes to say that it does not react

/// A path to the socket that always fits a sockaddr_un.
std::string short_path(const UniqueFd& folder) { return fmt::format("/proc/self/fd/{}/{}", folder.fd(), kSocketName); }

UniqueFd open_folder(const std::string& path) {
  return UniqueFd{::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
}

std::error_code bind_in(const UniqueFd& socket, const UniqueFd& folder) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = short_path(folder);
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  if (::bind(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return last_error();
  return {};
}

}  // namespace

std::expected<StatusSocket, std::error_code> StatusSocket::make(const std::string& state_dir) {
  UniqueFd folder = open_folder(state_dir);
  if (!folder) return std::unexpected(last_error());
  UniqueFd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!socket) return std::unexpected(last_error());
  // Before it has a name: at no moment may others connect.
  if (::fchmod(socket.fd(), S_IRUSR | S_IWUSR) != 0) return std::unexpected(last_error());
  if (::unlinkat(folder.fd(), kSocketName, 0) != 0 && errno != ENOENT) return std::unexpected(last_error());
  if (const auto error = bind_in(socket, folder)) return std::unexpected(error);
  if (::listen(socket.fd(), kWaiting) != 0) return std::unexpected(last_error());
  return StatusSocket(std::move(socket), std::move(folder));
}

StatusSocket::~StatusSocket() {
  if (folder_) ::unlinkat(folder_.fd(), kSocketName, 0);
}

std::expected<std::string, std::string> ask_node(const std::string& state_dir, const std::string& page) {
  const UniqueFd folder = open_folder(state_dir);
  if (!folder) return std::unexpected(last_error().message());
  httplib::Client client(short_path(folder), 80);
  client.set_address_family(AF_UNIX);
  client.set_connection_timeout(kConnectLimit);
  client.set_read_timeout(kAnswerLimit);
  const httplib::Result result = client.Get(page);
  if (!result) return std::unexpected(httplib::to_string(result.error()));
  std::string body = result->body;
  while (body.ends_with('\n')) body.pop_back();
  if (result->status != 200) return std::unexpected(std::move(body));
  return body;
}

std::error_code why_closed(const std::string& folder) {
  if (::access(folder.c_str(), R_OK | X_OK) == 0 || errno == ENOENT) return {};
  return last_error();
}

}  // namespace lodestone::node
