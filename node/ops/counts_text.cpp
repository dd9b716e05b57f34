// SPDX-License-Identifier: Apache-2.0
#include "node/ops/counts_text.hpp"

#include <fmt/format.h>

namespace lodestone::node {
namespace {

using dht::CounterGroup;
using dht::CounterInfo;

const char* title_of(CounterGroup group) {
  switch (group) {
    case CounterGroup::in: return "in";
    case CounterGroup::dropped: return "dropped";
    case CounterGroup::out: return "out";
    case CounterGroup::evicted: return "evicted";
  }
  return "";
}

std::string listed(const dht::Counters& counters, const char* title, bool dropped) {
  std::string text;
  for (const CounterInfo& info : dht::kCounters) {
    const std::uint64_t n = counters.*info.value;
    if (n == 0 || info.brief.empty() || (info.group == CounterGroup::dropped) != dropped) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", n, info.brief);
  }
  return text.empty() ? text : fmt::format("{}: {}", title, text);
}

}  // namespace

std::string troubles(const dht::Counters& counters) {
  const std::string dropped = listed(counters, "dropped", true);
  const std::string others = listed(counters, "beside", false);
  return dropped + (dropped.empty() || others.empty() ? "" : "; ") + others;
}

std::vector<std::string> counter_lines(const dht::Counters& counters) {
  std::vector<std::string> lines;
  for (const CounterGroup group : {CounterGroup::in, CounterGroup::dropped, CounterGroup::out, CounterGroup::evicted}) {
    bool first = true;
    for (const CounterInfo& info : dht::kCounters) {
      const std::uint64_t n = counters.*info.value;
      if (n == 0 || info.group != group) continue;
      if (first) lines.push_back(fmt::format("{}:", title_of(group)));
      first = false;
      lines.push_back(fmt::format("{:>12}  {:<22}  {}", n, info.name, info.meaning));
    }
  }
  return lines;
}

}  // namespace lodestone::node
