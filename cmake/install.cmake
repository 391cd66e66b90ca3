# What a customer gets: headers, library, package files and the local server.
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/nullspace")

install(TARGETS nullspace
  EXPORT nullspaceTargets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT runtime NAMELINK_COMPONENT development
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT development)
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/nullspace"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT development FILES_MATCHING PATTERN "*.hpp")
install(EXPORT nullspaceTargets
  NAMESPACE nullspace:: DESTINATION "${package_dir}" COMPONENT development)

if(BUILD_SHARED_LIBS)
  set(NULLSPACE_IS_STATIC OFF)
else()
  set(NULLSPACE_IS_STATIC ON)
endif()
configure_package_config_file(
  "${PROJECT_SOURCE_DIR}/cmake/nullspaceConfig.cmake.in" "${PROJECT_BINARY_DIR}/nullspaceConfig.cmake"
  INSTALL_DESTINATION "${package_dir}" NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
  "${PROJECT_BINARY_DIR}/nullspaceConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES
  "${PROJECT_BINARY_DIR}/nullspaceConfig.cmake"
  "${PROJECT_BINARY_DIR}/nullspaceConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/dependencies.cmake"
  DESTINATION "${package_dir}" COMPONENT development)

# The .pc file finds its prefix from its own place, so that the tree may be moved.
cmake_path(SET pc_dir NORMALIZE "/${CMAKE_INSTALL_LIBDIR}/pkgconfig")
cmake_path(RELATIVE_PATH pc_dir BASE_DIRECTORY "/" OUTPUT_VARIABLE pc_dir_below_prefix)
string(REGEX REPLACE "[^/]+" ".." pc_prefix "${pc_dir_below_prefix}")
if(BUILD_SHARED_LIBS)
  set(pc_libs "")
  set(pc_libs_private "${NULLSPACE_PC_LIBS}")
else()
  set(pc_libs " ${NULLSPACE_PC_LIBS}")
  set(pc_libs_private "")
endif()
configure_file(
  "${PROJECT_SOURCE_DIR}/cmake/nullspace.pc.in" "${PROJECT_BINARY_DIR}/nullspace.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/nullspace.pc"
  DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT development)

install(FILES "${PROJECT_SOURCE_DIR}/LICENSE"
  DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT runtime)

if(NULLSPACE_BUILD_LOCAL)
  install(TARGETS nullspace-local RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT local)
  # No command of the user's; the server looks for it here, relative to itself.
  install(TARGETS nullspace-local-guest
    RUNTIME DESTINATION "${CMAKE_INSTALL_LIBEXECDIR}/nullspace" COMPONENT local)
endif()
