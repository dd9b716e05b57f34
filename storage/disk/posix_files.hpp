// SPDX-License-Identifier: Apache-2.0
// The FileSet of the field, with the switches that tests turn. See file_set.hpp for what it promises.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "storage/disk/file_set.hpp"

namespace lodestone::storage {

struct PosixOptions {
  std::size_t open_files = 64;  // per torrent; the one used longest ago is closed
  bool use_openat2 = true;      // false: walk the path element by element
};

[[nodiscard]] std::unique_ptr<FileSet> make_posix_files(std::string root, std::string state_dir, std::string stem,
                                                        const PosixOptions& options);

}  // namespace lodestone::storage
