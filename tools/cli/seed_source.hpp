// SPDX-License-Identifier: Apache-2.0
// What `seed` and `testnet --seed` serve: a torrent and the folder where its content lies. A .torrent file names its
// content, any other path is hashed on the spot, as `create` does it.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "magnet/metainfo.hpp"
#include "node/session.hpp"
#include "tools/cli/context.hpp"

namespace lodestone::tools {

struct SeedSource {
  std::string given;  // as the user wrote it
  wire::InfoHash hash;
  std::shared_ptr<const magnet::Info> info;
  wire::ByteVector raw_info;
  magnet::MagnetUri magnet;
  std::string folder;  // the content is folder/name

  [[nodiscard]] node::TorrentSpec spec() const;
};

/// `folder`: of -o, where a .torrent's content is looked for; empty: beside the .torrent file, then here. Hashing stops
/// when `keep_going` says so, with a failure of code `interrupted`. Failures: usage for what does not exist, bad_input,
/// error
/// (`unsupported`), storage when a file of the content is missing or has another size: nothing is created or fetched.
[[nodiscard]] std::expected<SeedSource, Failure> read_seed_source(const std::string& path, const std::string& folder,
                                                                  Context& context,
                                                                  const std::function<bool()>& keep_going);

/// nullopt: every file of it is below the folder, with its size.
[[nodiscard]] std::optional<Failure> missing_content(const magnet::Info& info, const std::string& folder);

}  // namespace lodestone::tools
