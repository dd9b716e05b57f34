# SPDX-License-Identifier: Apache-2.0
#
# Presets and switches. (They live here and not in a CMakePresets.json so that the top of the repository stays short.)
#
#   LODESTONE_PRESET=release   -O2, hardening, link-time optimisation of the binary, tests, warnings are errors
#   LODESTONE_PRESET=dev       ASan + UBSan, asserts, tests, warnings are errors
#   LODESTONE_PRESET=tsan      ThreadSanitizer, asserts, tests, warnings are errors
#   LODESTONE_PRESET=fuzz      clang-19, libFuzzer + ASan + UBSan; builds the targets of tests/fuzz (target `fuzzers`)
#   LODESTONE_PRESET=bench     as release, without tests, with the benchmarks of tests/bench
#   (none)                     what a stranger gets: as release, but no tests, and warnings stay warnings
#
# A preset only fills in defaults: each switch below can still be set by hand.
#
#   LODESTONE_DEV       warnings are errors and tests are built; nothing else changes
#   LODESTONE_WERROR    warnings are errors
#   LODESTONE_TESTS     build the tests (needs Catch2)
#   LODESTONE_SANITIZE  ASan + UBSan
#   LODESTONE_TSAN      ThreadSanitizer
#   LODESTONE_FUZZ      libFuzzer executables instead of corpus replayers (needs clang)
#   LODESTONE_BENCH     build the benchmarks (needs Google Benchmark)
#   LODESTONE_LTO       link-time optimisation of the binary and of the benchmarks
#   LODESTONE_BULK      for who compiles everything once: the rooms ten sources at a time, the tests with a precompiled
#                       Catch2. Half of the work in all, but more after each edit
#   LODESTONE_SCENARIOS build the simulated scenarios among the tests

set(LODESTONE_PRESET "" CACHE STRING "release, dev, tsan, fuzz, bench, or empty")
set_property(CACHE LODESTONE_PRESET PROPERTY STRINGS "" release dev tsan fuzz bench)
option(LODESTONE_DEV "Warnings are errors and tests are built" OFF)

set(_build_type Release)
set(_werror ${LODESTONE_DEV})
set(_tests ${LODESTONE_DEV})
set(_sanitize OFF)
set(_tsan OFF)
set(_fuzz OFF)
set(_bench OFF)
if(LODESTONE_PRESET STREQUAL "")
  # A stranger's build.
elseif(LODESTONE_PRESET STREQUAL "release")
  set(_werror ON)
  set(_tests ON)
elseif(LODESTONE_PRESET STREQUAL "dev")
  set(_build_type Debug)
  set(_werror ON)
  set(_tests ON)
  set(_sanitize ON)
elseif(LODESTONE_PRESET STREQUAL "tsan")
  set(_build_type Debug)
  set(_werror ON)
  set(_tests ON)
  set(_tsan ON)
elseif(LODESTONE_PRESET STREQUAL "fuzz")
  set(_build_type Debug)
  set(_werror ON)
  set(_sanitize ON)
  set(_fuzz ON)
  # clang-14, Debian 12's default, cannot compile libstdc++'s <expected>; clang-19 can.
  if(NOT CMAKE_CXX_COMPILER)
    set(CMAKE_CXX_COMPILER clang++-19 CACHE STRING "C++ compiler")
  endif()
elseif(LODESTONE_PRESET STREQUAL "bench")
  set(_werror ON)
  set(_bench ON)
else()
  message(FATAL_ERROR "LODESTONE_PRESET is '${LODESTONE_PRESET}': it must be release, dev, tsan, fuzz, bench or empty")
endif()

option(LODESTONE_WERROR "Warnings are errors" ${_werror})
option(LODESTONE_TESTS "Build the tests" ${_tests})
option(LODESTONE_SANITIZE "Build with ASan and UBSan" ${_sanitize})
option(LODESTONE_TSAN "Build with ThreadSanitizer" ${_tsan})
option(LODESTONE_FUZZ "Build libFuzzer executables" ${_fuzz})
option(LODESTONE_BENCH "Build the benchmarks" ${_bench})

option(LODESTONE_BULK "Compile many sources at a time" OFF)
option(LODESTONE_SCENARIOS "Build the simulated scenarios" ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE ${_build_type} CACHE STRING "Release, RelWithDebInfo or Debug" FORCE)
endif()
string(TOUPPER "${CMAKE_BUILD_TYPE}" _build_type)

if(LODESTONE_SANITIZE OR LODESTONE_TSAN OR LODESTONE_FUZZ OR _build_type STREQUAL "DEBUG")
  set(_lto OFF)
else()
  set(_lto ON)
endif()
option(LODESTONE_LTO "Link-time optimisation of the binary and of the benchmarks" ${_lto})

if(LODESTONE_SANITIZE AND LODESTONE_TSAN)
  message(FATAL_ERROR "LODESTONE_SANITIZE and LODESTONE_TSAN exclude each other")
endif()

# On two cores a cached object is worth more than anything else below.
find_program(LODESTONE_CCACHE ccache)
mark_as_advanced(LODESTONE_CCACHE)
if(LODESTONE_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${LODESTONE_CCACHE})
endif()
