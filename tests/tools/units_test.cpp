// SPDX-License-Identifier: Apache-2.0
#include "tools/cli/units.hpp"

#include <catch2/catch.hpp>

namespace lodestone::tools {
namespace {

using namespace std::chrono_literals;

TEST_CASE("sizes are read") {
  CHECK(parse_size("0") == 0u);
  CHECK(parse_size("16384") == 16384u);
  CHECK(parse_size("500k") == 512'000u);
  CHECK(parse_size("2MiB") == 2u << 20);
  CHECK(parse_size("2mib") == 2u << 20);
  CHECK(parse_size("2M") == 2u << 20);
  CHECK(parse_size("2Mi") == 2u << 20);
  CHECK(parse_size("10MB") == 10'000'000u);
  CHECK(parse_size("1.5k") == 1536u);
  CHECK(parse_size("7B") == 7u);
  CHECK(parse_size("8191P") == std::uint64_t{8191} << 50);
  for (const char* text :
       {"", "k", "-1", "+1", "1x", "1 k", "1kk", "1.", ".5", "0x10", "1e3", "8192P", "99999999999999999999"})
    CHECK_FALSE(parse_size(text));
}

TEST_CASE("rates are read") {
  CHECK(parse_rate("10MB/s") == 10'000'000u);
  CHECK(parse_rate("500k") == 512'000u);
  CHECK_FALSE(parse_rate("/s"));
  CHECK_FALSE(parse_rate("10MB/h"));
}

TEST_CASE("durations are read") {
  CHECK(parse_duration("30s") == wire::Duration(30s));
  CHECK(parse_duration("5m") == wire::Duration(300s));
  CHECK(parse_duration("1h30m") == wire::Duration(5400s));
  CHECK(parse_duration("250ms") == wire::Duration(250ms));
  CHECK(parse_duration("2d") == wire::Duration(48h));
  CHECK(parse_duration("1.5") == wire::Duration(1500ms));
  CHECK(parse_duration("0") == wire::Duration(0s));
  for (const char* text : {"", "s", "-1s", "5x", "1h30", "1 h", "99999999d", "99999999999999999999s", "3000d3000d"})
    CHECK_FALSE(parse_duration(text));
}

TEST_CASE("sizes, rates, durations and times are written") {
  CHECK(format_size(0) == "0 B");
  CHECK(format_size(1023) == "1023 B");
  CHECK(format_size(1024) == "1.0 KiB");
  CHECK(format_size(1536) == "1.5 KiB");
  CHECK(format_size((1u << 20) - 1) == "1.0 MiB");
  CHECK(format_size(~std::uint64_t{0}) == "16.0 EiB");
  CHECK(format_rate(1536) == "1.5 KiB/s");
  CHECK(format_rate(-1) == "0 B/s");
  CHECK(format_duration(0) == "0 s");
  CHECK(format_duration(0.44) == "0.4 s");
  CHECK(format_duration(9.96) == "10 s");
  CHECK(format_duration(59.6) == "1m 00s");
  CHECK(format_duration(3661) == "1h 01m");
  CHECK(format_duration(90000) == "1d 1h");
  CHECK(format_duration(1e300) == "for ever");
  CHECK(format_time(0) == "1970-01-01T00:00:00Z");
  CHECK(format_time(1714564800) == "2024-05-01T12:00:00Z");
  CHECK(format_time(-62167219200) == "0000-01-01T00:00:00Z");
  CHECK(format_time(253402300800) == "");
  CHECK(format_time(INT64_MIN) == "");
}

}  // namespace
}  // namespace lodestone::tools
