# SPDX-License-Identifier: Apache-2.0
#
# Every outside library the product needs, as one imported target each. tools/install-deps installs them on Debian.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(nlohmann_json 3.10 REQUIRED)
find_package(tsl-robin-map REQUIRED)
pkg_check_modules(sodium REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
# Both by pkg-config: cpp-httplib's says how it was compiled, which whoever includes its header must know, and
# prometheus-cpp's CMake package would ask for its HTTP server and client too, of which we use neither.
pkg_check_modules(httplib REQUIRED IMPORTED_TARGET cpp-httplib)
pkg_check_modules(prometheus REQUIRED IMPORTED_TARGET prometheus-cpp-core)
pkg_check_modules(tomlplusplus REQUIRED IMPORTED_TARGET tomlplusplus)
pkg_check_modules(libsystemd REQUIRED IMPORTED_TARGET libsystemd)

# Asio is headers only unless told otherwise: node/net/asio_impl.cpp compiles its body, once, and every other source
# sees declarations.
find_path(ASIO_INCLUDE_DIR asio.hpp REQUIRED)
mark_as_advanced(ASIO_INCLUDE_DIR)
add_library(lodestone_asio INTERFACE)
target_include_directories(lodestone_asio SYSTEM INTERFACE ${ASIO_INCLUDE_DIR})
# Asio guesses the last one from a macro of libstdc++, which only is there if some standard header came first: sources
# that guessed differently would free with `delete` what others took from aligned_alloc().
target_compile_definitions(
  lodestone_asio INTERFACE ASIO_STANDALONE ASIO_SEPARATE_COMPILATION ASIO_NO_DEPRECATED ASIO_HAS_STD_ALIGNED_ALLOC=1)
target_link_libraries(lodestone_asio INTERFACE Threads::Threads)
