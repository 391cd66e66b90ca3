# The one file that knows what our dependencies are called: by Debian 12, by Conan and by vcpkg.
#
# It is also installed beside the package config, which calls nullspace_find_library_dependencies() for a static library.

# In a package config the customer decides whether a missing dependency is fatal; in our own build it always is.
macro(nullspace_find_package)
  if(CMAKE_FIND_PACKAGE_NAME STREQUAL "nullspace")
    find_dependency(${ARGV})
  else()
    find_package(${ARGV} REQUIRED)
  endif()
endmacro()

# libwebsockets' own config lists the static and the shared library together, and linking both is an error at best. Its
# targets are called alike everywhere; Conan has one more spelling.
macro(nullspace_find_libwebsockets)
  if(NOT TARGET nullspace::libwebsockets)
    nullspace_find_package(libwebsockets CONFIG)
    foreach(candidate IN ITEMS websockets_shared websockets libwebsockets::websockets_shared
                               libwebsockets::websockets)
      if(TARGET ${candidate} AND NOT TARGET nullspace::libwebsockets)
        add_library(nullspace::libwebsockets INTERFACE IMPORTED)
        target_link_libraries(nullspace::libwebsockets INTERFACE ${candidate})
      endif()
    endforeach()
  endif()
endmacro()

# What a static libnullspace needs at link time.
macro(nullspace_find_library_dependencies)
  set(THREADS_PREFER_PTHREAD_FLAG ON)
  nullspace_find_package(Threads)
  nullspace_find_package(OpenSSL)
  nullspace_find_package(CURL)
  nullspace_find_package(fmt)
  nullspace_find_libwebsockets()
endmacro()

# The same for pkg-config, as plain names: `Requires.private` would demand development files of dependencies' dependencies.
set(NULLSPACE_PC_LIBS "-lwebsockets -lcurl -lssl -lcrypto -lfmt -pthread")

# RapidJSON is headers only and never part of an interface. Its packages differ: a variable on Debian, a target elsewhere.
macro(nullspace_find_rapidjson)
  find_package(RapidJSON REQUIRED)
  add_library(nullspace::rapidjson INTERFACE IMPORTED)
  if(TARGET rapidjson)
    target_link_libraries(nullspace::rapidjson INTERFACE rapidjson)
  elseif(TARGET RapidJSON)
    target_link_libraries(nullspace::rapidjson INTERFACE RapidJSON)
  else()
    target_include_directories(nullspace::rapidjson INTERFACE ${RAPIDJSON_INCLUDE_DIRS})
  endif()
endmacro()

macro(nullspace_find_build_dependencies)
  nullspace_find_library_dependencies()
  nullspace_find_rapidjson()
endmacro()

macro(nullspace_find_tool_dependencies)
  find_package(CLI11 CONFIG REQUIRED)
endmacro()

macro(nullspace_find_example_dependencies)
  find_package(fmt CONFIG REQUIRED)
endmacro()

# Catch2 3 is a library; Catch2 2 is a header with an optional prebuilt main.
macro(nullspace_find_test_dependencies)
  find_package(Catch2 REQUIRED)
  if(NOT TARGET Catch2::Catch2WithMain)
    message(FATAL_ERROR "Catch2 ${Catch2_VERSION} has no Catch2::Catch2WithMain")
  endif()
endmacro()
