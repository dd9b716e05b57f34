# SPDX-License-Identifier: Apache-2.0
#
# A room of design.md is a folder, and what lies in the folder belongs to the room: sources are found by glob, so that
# adding a unit touches no list that two people would edit at once. CONFIGURE_DEPENDS makes the build look again each
# time, so a new or deleted file is noticed without a reconfigure.

# With LODESTONE_BULK: how many sources are compiled at a time. All of a room, 0, shows which names of unnamed
# namespaces occur twice.
set(LODESTONE_BULK_BATCH 10 CACHE STRING "Sources that are compiled at a time with LODESTONE_BULK")
mark_as_advanced(LODESTONE_BULK_BATCH)

# lodestone_room(NAME FOLDERS folder... LINK library...)
# A static library of the .cpp files directly in the folders; an INTERFACE library while there are none.
function(lodestone_room name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "FOLDERS;LINK")
  set(sources "")
  foreach(folder IN LISTS arg_FOLDERS)
    file(GLOB found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
    list(APPEND sources ${found})
  endforeach()
  if(sources)
    add_library(${name} STATIC ${sources})
    target_compile_options(${name} PRIVATE ${LODESTONE_LTO_COMPILE_OPTIONS})
    if(LODESTONE_BULK)
      # GCC takes the sources that are included for headers, whose classes must not have members of unnamed namespaces.
      # The more GCC 12 inlines, the more overruns it sees that are none; the presets without BULK hear of real ones.
      target_compile_options(${name} PRIVATE
        $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage;-Wno-array-bounds;-Wno-stringop-overflow>)
      set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${LODESTONE_BULK_BATCH})
    endif()
    set(scope PUBLIC)
  else()
    add_library(${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${name} ${scope} ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} ${scope} ${arg_LINK})
endfunction()

# lodestone_tests(NAME [LABEL label] FOLDERS folder... LINK library...)
# One executable of all *_test.cpp below the folders, one CTest entry per test case. Nothing while there are none.
function(lodestone_tests name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL" "FOLDERS;LINK")
  set(sources "")
  foreach(folder IN LISTS arg_FOLDERS)
    file(GLOB_RECURSE found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/*_test.cpp)
    list(APPEND sources ${found})
  endforeach()
  if(NOT sources)
    return()
  endif()
  if(NOT arg_LABEL)
    set(arg_LABEL unit)
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${arg_LINK} test_support)
  target_link_options(${name} PRIVATE ${LODESTONE_NO_LTO_LINK_OPTIONS})
  if(LODESTONE_BULK)
    # In a precompiled header GCC 12 no longer knows libstdc++'s own lines for what they are, and warns of them.
    target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds;-Wno-stringop-overflow>)
    target_precompile_headers(${name} PRIVATE <catch2/catch.hpp> <algorithm> <chrono> <expected> <functional> <memory>
      <optional> <span> <string> <variant> <vector>)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  string(REGEX REPLACE "_tests$" "" room ${name})
  # The executable itself writes its list of tests (tests/support/main.cpp); CTest reads it when it starts.
  set(list ${CMAKE_CURRENT_BINARY_DIR}/${name}.cmake)
  add_custom_command(
    TARGET ${name} POST_BUILD
    COMMAND $<TARGET_FILE:${name}> --write-ctest ${list} "${LODESTONE_TEST_PREFIX}${room}." "${LODESTONE_LABEL_PREFIX}${arg_LABEL}"
    BYPRODUCTS ${list}
    VERBATIM)
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}_include.cmake
    "if(EXISTS \"${list}\")\n  include(\"${list}\")\nelse()\n  add_test(${name}_was_not_built ${name}_was_not_built)\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}_include.cmake)
endfunction()

# lodestone_rooms_of(SOURCE VARIABLE)
# The libraries a free-standing source (a fuzz target, a benchmark) needs: those of the rooms it includes from.
function(lodestone_rooms_of source variable)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
  file(STRINGS ${source} includes REGEX "^[ \t]*#[ \t]*include[ \t]+\"")
  set(rooms "")
  foreach(room wire/base wire/peer wire/utp dht storage/plan storage/disk magnet node tools/sim tools/cli)
    if(includes MATCHES "\"${room}/")
      string(REPLACE "tools/" "" library ${room})
      string(REPLACE "/" "_" library ${library})
      list(APPEND rooms ${library})
    endif()
  endforeach()
  set(${variable} ${rooms} PARENT_SCOPE)
endfunction()
