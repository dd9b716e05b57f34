// SPDX-License-Identifier: Apache-2.0
#include "storage/plan/job.hpp"

#include <catch2/catch.hpp>

using namespace lodestone;
using storage::classify;
using Kind = storage::Trouble::Kind;

TEST_CASE("D2 the errors that pause a torrent are told apart") {
  CHECK(classify({}) == Kind::none);
  CHECK(classify(std::make_error_code(std::errc::no_space_on_device)) == Kind::disk_full);
  CHECK(classify(std::make_error_code(std::errc::permission_denied)) == Kind::permission);
  CHECK(classify(std::make_error_code(std::errc::operation_not_permitted)) == Kind::permission);
  CHECK(classify(std::make_error_code(std::errc::read_only_file_system)) == Kind::read_only);
  CHECK(classify(std::make_error_code(std::errc::io_error)) == Kind::io);
  CHECK(classify(std::make_error_code(std::errc::no_message_available)) == Kind::io);
}

TEST_CASE("D1 a path that leaves the root is unsafe, one that is taken a conflict") {
  CHECK(classify(std::make_error_code(std::errc::cross_device_link)) == Kind::unsafe_path);
  CHECK(classify(std::make_error_code(std::errc::too_many_symbolic_link_levels)) == Kind::unsafe_path);
  CHECK(classify(std::make_error_code(std::errc::is_a_directory)) == Kind::conflict);
  CHECK(classify(std::make_error_code(std::errc::not_a_directory)) == Kind::conflict);
  CHECK_FALSE(storage::Trouble{});
}
