# How targets of this project are declared. Everything is set on the target, nothing on the directory, so that a parent
# project that uses add_subdirectory keeps its own settings.
include(GNUInstallDirs)

# Programs lie side by side, because nullspace-local looks for its guest beside itself.
set(NULLSPACE_BINARY_DIR "${PROJECT_BINARY_DIR}/bin")

function(nullspace_configure_target target)
  target_compile_features(${target} PRIVATE cxx_std_20)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON
    RUNTIME_OUTPUT_DIRECTORY "${NULLSPACE_BINARY_DIR}")
  nullspace_set_warnings(${target})
  nullspace_set_sanitizers(${target})
endfunction()

# nullspace_add_room(<room> SOURCES <files...> [LINKS <targets...>])
#
# A room of src/ is an object library: the library proper is assembled from all of them, and the tests and the local server
# reach the hidden symbols of the same objects.
function(nullspace_add_room room)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINKS")
  set(target nullspace_${room})
  add_library(${target} OBJECT ${arg_SOURCES})
  nullspace_configure_target(${target})
  target_include_directories(${target} PRIVATE
    "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")
  target_link_libraries(${target} PRIVATE ${arg_LINKS})
  set_property(GLOBAL APPEND PROPERTY NULLSPACE_ROOMS ${target})
endfunction()

# nullspace_assemble(<target> [STATIC|SHARED])
#
# A library of all rooms.
function(nullspace_assemble target)
  get_property(rooms GLOBAL PROPERTY NULLSPACE_ROOMS)
  list(TRANSFORM rooms REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE objects)
  add_library(${target} ${ARGN} ${objects})
  nullspace_configure_target(${target})
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_link_libraries(${target} PRIVATE
    nullspace::libwebsockets CURL::libcurl OpenSSL::SSL OpenSSL::Crypto fmt::fmt Threads::Threads)
endfunction()

# Hidden visibility alone still exports weak std:: templates, whose unique symbols keep dlclose from unloading the library.
function(nullspace_export_public_symbols_only target)
  set(version_script "${PROJECT_SOURCE_DIR}/src/nullspace.map")
  target_link_options(${target} PRIVATE "LINKER:--version-script=${version_script}")
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS "${version_script}")
endfunction()
