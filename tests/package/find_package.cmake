# Installs the SDK, moves the tree to a directory with a blank in its name, and builds and runs a customer's project there.
# cmake -D BUILD_DIR=… -D SOURCE_DIR=… -D WORK_DIR=… -D COMPILER=… -P find_package.cmake
function(run)
  execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE "${WORK_DIR}")
run("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --prefix "${WORK_DIR}/as installed")
file(RENAME "${WORK_DIR}/as installed" "${WORK_DIR}/moved elsewhere")
set(prefix "${WORK_DIR}/moved elsewhere")

run("${CMAKE_COMMAND}" -G Ninja -S "${SOURCE_DIR}/tests/package/customer" -B "${WORK_DIR}/customer"
  "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_CXX_COMPILER=${COMPILER}")
run("${CMAKE_COMMAND}" --build "${WORK_DIR}/customer")
run("${WORK_DIR}/customer/customer")

# Nothing that was installed may remember where it was built.
file(GLOB_RECURSE package_files "${prefix}/*.cmake" "${prefix}/*.pc")
foreach(package_file IN LISTS package_files)
  file(READ "${package_file}" text)
  foreach(place IN ITEMS "${SOURCE_DIR}" "${BUILD_DIR}")
    string(FIND "${text}" "${place}" at)
    if(NOT at EQUAL -1)
      message(FATAL_ERROR "${package_file} names ${place}")
    endif()
  endforeach()
endforeach()

# The same program by way of pkg-config, which escapes blanks the way a shell reads them.
file(GLOB_RECURSE pc_file "${prefix}/*/nullspace.pc")
cmake_path(GET pc_file PARENT_PATH pc_dir)
run(sh -c "
  export PKG_CONFIG_PATH='${pc_dir}'
  eval '${COMPILER}' -std=c++20 \"'${SOURCE_DIR}/tests/package/customer/main.cpp'\" -o \"'${WORK_DIR}/by pkg-config'\" \
    \"$(pkg-config --cflags --libs nullspace)\"")
run("${WORK_DIR}/by pkg-config")
