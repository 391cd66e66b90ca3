# Configures a project that contains the SDK, and checks that it gained a library and no tests.
# cmake -D SOURCE_DIR=… -D WORK_DIR=… -D COMPILER=… -P add_subdirectory.cmake
file(REMOVE_RECURSE "${WORK_DIR}")
execute_process(COMMAND_ERROR_IS_FATAL ANY
  COMMAND "${CMAKE_COMMAND}" -G Ninja -S "${SOURCE_DIR}/tests/package/parent" -B "${WORK_DIR}"
    "-DNULLSPACE_SOURCE_DIR=${SOURCE_DIR}" "-DCMAKE_CXX_COMPILER=${COMPILER}")
execute_process(COMMAND_ERROR_IS_FATAL ANY
  COMMAND "${CMAKE_CTEST_COMMAND}" --test-dir "${WORK_DIR}" --show-only OUTPUT_VARIABLE tests)
if(NOT tests MATCHES "Total Tests: 0")
  message(FATAL_ERROR "the parent project got our tests:\n${tests}")
endif()
