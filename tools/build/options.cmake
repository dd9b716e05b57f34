# SPDX-License-Identifier: Apache-2.0
#
# How everything is compiled. Set for the whole tree at once: mixing objects with and without a sanitizer or with
# different asserts in one binary is a source of ghosts.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG") # CMake's own default is -O3: larger, and no faster for this program

include(CheckPIESupported)
check_pie_supported(LANGUAGES CXX)

add_compile_options(-Wall -Wextra -Wconversion -Wshadow)
if(LODESTONE_WERROR)
  add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlapping copies inside libstdc++ for `"literal" + std::string` when it optimises (GCC PR 105651).
  # It also cries wolf about the unused half of a std::expected<void, E> on its way through an inlined function.
  add_compile_options(-Wno-restrict -Wno-maybe-uninitialized)
endif()

if(LODESTONE_SANITIZE)
  set(_sanitizers address,undefined)
elseif(LODESTONE_TSAN)
  set(_sanitizers thread)
  add_compile_options(-Wno-tsan) # GCC: fences are not followed; Asio has one
endif()

if(_sanitizers)
  add_compile_options(-fsanitize=${_sanitizers} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1 -g1)
  add_link_options(-fsanitize=${_sanitizers})
  if(LODESTONE_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # The checks that the sanitizers insert hide from GCC's flow analysis that a value is set, and these two then cry
    # wolf; the other build of tests/run has them as errors.
    add_compile_options(-Wno-maybe-uninitialized -Wno-stringop-overflow)
  endif()
else()
  # Whoever feeds us bytes is a stranger, so every build that a person may run is hardened.
  add_compile_options(-fstack-protector-strong)
  include(CheckCXXCompilerFlag)
  check_cxx_compiler_flag(-fstack-clash-protection LODESTONE_HAS_STACK_CLASH)
  if(LODESTONE_HAS_STACK_CLASH)
    add_compile_options(-fstack-clash-protection)
  endif()
  check_cxx_compiler_flag(-fcf-protection LODESTONE_HAS_CF_PROTECTION)
  if(LODESTONE_HAS_CF_PROTECTION)
    add_compile_options(-fcf-protection)
  endif()
  # _FORTIFY_SOURCE needs an optimising build.
  add_compile_options($<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
endif()

# Bounds checks in libstdc++'s containers and spans wherever speed is not the point.
add_compile_definitions($<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)

if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # Asio 1.22 does not recognise coroutines in a clang that calls itself newer than the ones it knew.
  add_compile_definitions(ASIO_HAS_CO_AWAIT ASIO_HAS_STD_COROUTINE)
  # libstdc++ 12 uses what it deprecates itself (std::stable_sort's temporary buffer).
  add_compile_options(-Wno-deprecated-declarations)
endif()

# Link-time optimisation, for GCC in the "fat" form: a room's objects hold both machine code and intermediate code, so
# that the many test executables link at once while the binary and the benchmarks are optimised as a whole. It also
# leaves real symbols in the archives for tests/lint to read. Test sources themselves go without.
if(LODESTONE_LTO AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_FLAGS "-flto=auto -ffat-lto-objects")
  check_cxx_source_compiles("int main() { return 0; }" LODESTONE_LTO_WORKS)
  unset(CMAKE_REQUIRED_FLAGS)
  if(LODESTONE_LTO_WORKS)
    set(LODESTONE_LTO_COMPILE_OPTIONS -flto=auto -ffat-lto-objects)
    set(LODESTONE_LTO_LINK_OPTIONS -flto=auto -O2)
    set(LODESTONE_NO_LTO_LINK_OPTIONS -fno-lto)
  endif()
endif()
