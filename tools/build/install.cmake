# SPDX-License-Identifier: Apache-2.0
#
# What `cmake --install` and CPack put where. Included last. Neither builds anything: build first.
#
#   cmake --install DIR [--prefix /usr]       honours DESTDIR
#   cpack --config DIR/CPackConfig.cmake      a .deb
#
# With the prefix /usr the configuration lies in /etc, else in PREFIX/etc; the unit names the binary where it was put.

include(GNUInstallDirs)

# `make install` and CPack would otherwise build everything that is out of date, the tests among it.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)

set(ops ${PROJECT_SOURCE_DIR}/tools/ops)

# Who answers for a package is who builds it for others; .invalid says that nobody has said so yet (RFC 2606).
set(LODESTONE_MAINTAINER "Lodestone authors <maintainers@lodestone.invalid>"
    CACHE STRING "Name and address in the .deb")
mark_as_advanced(LODESTONE_MAINTAINER)

# Debian wants pages and changelogs compressed, without the time of day in them. Here, because a step of the build would
# be missing for who builds the binary alone.
function(lodestone_gzip source name)
  find_program(LODESTONE_GZIP gzip REQUIRED)
  mark_as_advanced(LODESTONE_GZIP)
  execute_process(
    COMMAND ${LODESTONE_GZIP} -9nc ${source}
    OUTPUT_FILE ${PROJECT_BINARY_DIR}/install/${name}.gz
    COMMAND_ERROR_IS_FATAL ANY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
endfunction()
file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/install)
lodestone_gzip(${ops}/lodestone.1 lodestone.1)
configure_file(${ops}/deb/changelog.in ${PROJECT_BINARY_DIR}/install/changelog @ONLY)
lodestone_gzip(${PROJECT_BINARY_DIR}/install/changelog changelog)

install(FILES ${PROJECT_BINARY_DIR}/install/lodestone.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PROJECT_SOURCE_DIR}/README.md ${PROJECT_SOURCE_DIR}/LICENSE ${ops}/deb/copyright
              ${PROJECT_BINARY_DIR}/install/changelog.gz DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${PROJECT_SOURCE_DIR}/node/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME operating.md)
install(FILES ${ops}/lodestone.toml ${ops}/logrotate.conf DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)
install(FILES ${ops}/sysusers.conf DESTINATION lib/sysusers.d RENAME lodestone.conf)
install(FILES ${ops}/tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME lodestone.conf)

# The prefix is known when it is installed, not before. An edited configuration is never overwritten.
install(CODE "
  set(bindir \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
  if(\"\${CMAKE_INSTALL_PREFIX}\" MATCHES \"^/(usr)?/?$\")
    set(confdir /etc/lodestone)
  else()
    set(confdir \"\${CMAKE_INSTALL_PREFIX}/etc/lodestone\")
  endif()
  set(made \"${PROJECT_BINARY_DIR}/install\")
  configure_file(\"${ops}/lodestone.service.in\" \"\${made}/lodestone.service\" @ONLY)
  file(INSTALL \"\${made}/lodestone.service\" DESTINATION \"\${CMAKE_INSTALL_PREFIX}/lib/systemd/system\")
  if(NOT EXISTS \"\$ENV{DESTDIR}\${confdir}/lodestone.toml\")
    file(INSTALL \"${ops}/lodestone.toml\" DESTINATION \"\${confdir}\")
  endif()
")

# --- the .deb ---
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME lodestone)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_VENDOR "The Lodestone authors")
set(CPACK_PACKAGE_CONTACT "${LODESTONE_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "trackerless magnet downloads and a DHT node")
set(CPACK_PACKAGE_DESCRIPTION
    "Fetches content by magnet link through the BitTorrent DHT alone, serves as a
DHT node for years (also as the one that newcomers ask first), and explores
the DHT.
.
The package brings a hardened systemd service, lodestone.service.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON) # /etc lies outside of the prefix
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_FILE_NAME lodestone_${PROJECT_VERSION})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "init-system-helpers (>= 1.54), systemd")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${ops}/deb/postinst ${ops}/deb/prerm ${ops}/deb/postrm ${ops}/deb/conffiles)
include(CPack)
