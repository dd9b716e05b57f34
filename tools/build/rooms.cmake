# SPDX-License-Identifier: Apache-2.0
#
# A room of design.md is a folder, and what lies in the folder belongs to the room: sources are found by glob, so that
# adding a unit touches no list that two people would edit at once. CONFIGURE_DEPENDS makes the build look again each
# time, so a new or deleted file is noticed without a reconfigure.

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
    set(scope PUBLIC)
  else()
    add_library(${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${name} ${scope} ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} ${scope} ${arg_LINK})
endfunction()

# lodestone_tests(NAME FOLDERS folder... LINK library...)
# One executable of all *_test.cpp below the folders, one CTest entry per test case. Nothing while there are none.
function(lodestone_tests name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "FOLDERS;LINK")
  set(sources "")
  foreach(folder IN LISTS arg_FOLDERS)
    file(GLOB_RECURSE found CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${folder}/*_test.cpp)
    list(APPEND sources ${found})
  endforeach()
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${arg_LINK} test_support)
  target_link_options(${name} PRIVATE ${LODESTONE_NO_LTO_LINK_OPTIONS})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  string(REGEX REPLACE "_tests$" "" room ${name})
  # NoTests: a name that Catch2 cannot find again must fail, not pass for having run nothing.
  catch_discover_tests(${name} TEST_PREFIX "${room}: " EXTRA_ARGS --warn NoTests PROPERTIES TIMEOUT 300 LABELS unit)
endfunction()
