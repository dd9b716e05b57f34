// SPDX-License-Identifier: Apache-2.0
// The results of `get` that need no session: listings, .torrent files, the one exit code.
#include <algorithm>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/cli/get_run.hpp"
#include "tools/cli/save_file.hpp"
#include "tools/cli/transfer_records.hpp"
#include "tools/cli/transfer_text.hpp"
#include "tools/cli/units.hpp"

namespace lodestone::tools {

std::string GetOptions::in_folder(const std::string& name) const {
  if (folder.empty()) return name;
  return folder.ends_with('/') ? folder + name : folder + "/" + name;
}

ExitCode combined(const std::vector<ExitCode>& codes) {
  if (codes.empty()) return ExitCode::ok;
  const ExitCode first = codes.front();
  // A signal ends all of them, whatever some had come to.
  for (const ExitCode code : codes)
    if (code == ExitCode::interrupted || code == ExitCode::terminated) return code;
  return std::all_of(codes.begin(), codes.end(), [&](ExitCode c) { return c == first; }) ? first : ExitCode::partial;
}

std::size_t file_count(const magnet::Info& info) {
  const auto is_file = [](const storage::FileEntry& file) { return !file.pad; };
  return static_cast<std::size_t>(std::count_if(info.files.begin(), info.files.end(), is_file));
}

void print_listing(Context& context, const wire::InfoHash& hash, const magnet::Info& info) {
  if (context.out.json()) {
    context.out.record(metadata_record(hash, info));
    return;
  }
  context.out.note(
      fmt::format("{}: {} in {}", info.name, format_size(info.total_size()), count_of(file_count(info), "file")));
  for (std::size_t i = 0; i < info.files.size(); ++i) {
    const storage::FileEntry& file = info.files[i];
    if (!file.pad) context.out.line(fmt::format("{:>5}  {:>10}  {}", i, format_size(file.size), file.joined()));
  }
}

std::expected<std::string, Failure> write_metadata(const GetOptions& options, const magnet::Info& info, wire::Bytes raw,
                                                   const magnet::MagnetUri& source) {
  constexpr const char* kElsewhere = "Choose another place with -o DIR or --metadata-only=FILE";
  const std::string path =
      options.metadata_file.empty() ? options.in_folder(info.name + ".torrent") : options.metadata_file;
  if (const std::filesystem::path parent = std::filesystem::path(path).parent_path(); !parent.empty()) {
    std::error_code error;
    std::filesystem::create_directories(parent, error);
    if (error) return std::unexpected(Failure{ExitCode::storage, parent.string(), error.message(), kElsewhere});
  }
  if (const std::error_code error = save_file(path, magnet::wrap_info(raw, source)))
    return std::unexpected(Failure{ExitCode::storage, path, error.message(), kElsewhere});
  return path;
}

}  // namespace lodestone::tools
