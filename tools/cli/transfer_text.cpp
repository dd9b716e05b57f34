// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/transfer_text.hpp"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "magnet/text.hpp"
#include "tools/cli/transfer_records.hpp"
#include "tools/cli/units.hpp"

namespace lodestone::tools {
namespace {

constexpr std::size_t kNameColumns = 24;
constexpr std::size_t kBarCells = 24;
constexpr std::size_t kColumnsForBar = 90;  // narrower terminals get the figures only

/// 100 only when it is complete.
unsigned percent(std::uint64_t done, std::uint64_t total) {
  if (total == 0) return 100;
  return static_cast<unsigned>(static_cast<double>(std::min(done, total)) / static_cast<double>(total) * 100);
}

std::string left(const magnet::TorrentStatus& status) {
  const auto eta = eta_seconds(status);
  return eta && *eta > 0 ? ", " + format_duration(*eta) + " left" : "";
}

std::string describe_metadata(const magnet::TorrentStatus& status) {
  if (status.connected == 0) return fmt::format("connecting to {}", count_of(status.seen, "peer"));
  const std::string from = count_of(status.connected, "peer");
  if (status.metadata_total == 0) return "asking " + from + " for the metadata";
  return fmt::format("metadata {}% of {} from {}", percent(status.metadata_done, status.metadata_total),
                     format_size(status.metadata_total), from);
}

std::string describe_download(const magnet::TorrentStatus& status) {
  const std::string amount =
      fmt::format("{}% of {}", percent(status.bytes_done, status.bytes_total), format_size(status.bytes_total));
  if (status.connected == 0 && status.bytes_done < status.bytes_total) {
    return amount + (status.seen == 0 ? ", looking for peers" : ", connecting to " + count_of(status.seen, "peer"));
  }
  return fmt::format("{}, {}, {}{}", amount, format_rate(status.rate_down), count_of(status.connected, "peer"),
                     left(status));
}

std::string describe_seed(const magnet::TorrentStatus& status) {
  const double ratio =
      status.bytes_total == 0 ? 0 : static_cast<double>(status.uploaded) / static_cast<double>(status.bytes_total);
  return fmt::format("seeding {} to {}, {} sent (ratio {:.2f})", format_rate(status.rate_up),
                     count_of(status.connected, "peer"), format_size(status.uploaded), ratio);
}

std::string short_name(const std::string& name) {
  const std::string clean = magnet::printable(name);
  const std::string_view cut = magnet::cut_to_width(clean, kNameColumns);
  return cut.size() == clean.size() ? clean : std::string(magnet::cut_to_width(clean, kNameColumns - 2)) + "..";
}

std::string bar_of(std::uint64_t done, std::uint64_t total) {
  const std::size_t filled = percent(done, total) * kBarCells / 100;
  return "[" + std::string(filled, '#') + std::string(kBarCells - filled, '.') + "] ";
}

bool is_loading(const TransferView& view) {
  return view.phase == TransferPhase::download || view.phase == TransferPhase::open;
}

std::string bar_for_one(const TransferView& view, bool wide) {
  const magnet::TorrentStatus& status = view.facts.status;
  const bool bar = wide && is_loading(view) && status.bytes_total > 0;
  return fmt::format("{}: {}{}", short_name(view.name), bar ? bar_of(status.bytes_done, status.bytes_total) : "",
                     describe(view));
}

std::string bar_for_many(std::span<const TransferView> views, bool wide) {
  magnet::TorrentStatus sum;
  std::size_t done = 0;
  for (const TransferView& view : views) {
    const magnet::TorrentStatus& status = view.facts.status;
    if (view.phase && *view.phase >= TransferPhase::seed) ++done;
    sum.bytes_done += status.bytes_done;
    sum.bytes_total += status.bytes_total;
    sum.rate_down += status.rate_down;
    sum.connected += status.connected;
    sum.seen += status.seen;
  }
  const std::string head = fmt::format("{} of {} done: ", done, views.size());
  if (sum.bytes_total == 0) return head + fmt::format("{} known", count_of(sum.seen, "peer"));
  return head + (wide ? bar_of(sum.bytes_done, sum.bytes_total) : "") + describe_download(sum);
}

}  // namespace

std::string count_of(std::size_t n, std::string_view noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

std::string describe(const TransferView& view) {
  const magnet::TorrentStatus& status = view.facts.status;
  if (!view.phase) return "starting";
  switch (*view.phase) {
    case TransferPhase::dht: return "looking for the DHT";
    case TransferPhase::lookup:
      return fmt::format("asking the DHT for peers ({} asked, {} known)", view.facts.asked,
                         count_of(view.facts.dht_nodes, "node"));
    case TransferPhase::metadata: return describe_metadata(status);
    case TransferPhase::open:
      return status.bytes_done == 0
                 ? "looking at the files on disk"
                 : fmt::format("checking the files on disk, {}% of {} are there",
                               percent(status.bytes_done, status.bytes_total), format_size(status.bytes_total));
    case TransferPhase::download: return describe_download(status);
    case TransferPhase::seed: return describe_seed(status);
    case TransferPhase::done: return "done";
  }
  return "";
}

std::string progress_line(const TransferView& view) {
  return fmt::format("[{}] {}: {}", format_duration(view.facts.now), view.name, describe(view));
}

std::string progress_bar(std::span<const TransferView> views, std::size_t columns) {
  const bool wide = columns == 0 || columns >= kColumnsForBar;
  if (views.empty()) return "";
  return views.size() == 1 ? bar_for_one(views.front(), wide) : bar_for_many(views, wide);
}

}  // namespace lodestone::tools
