# A shared library exports what lives in namespace nullspace, and of that nothing internal.
# cmake -D NM=… -D LIBRARY=… -P exports.cmake
execute_process(COMMAND_ERROR_IS_FATAL ANY
  COMMAND "${NM}" --dynamic --demangle --defined-only "${LIBRARY}" OUTPUT_VARIABLE listing)
string(REGEX REPLACE "[][;]" "_" listing "${listing}")
string(REPLACE "\n" ";" lines "${listing}")

set(prefix "^((vtable|VTT|typeinfo|typeinfo name|guard variable) for |((non-)?virtual|covariant return) thunk to )?")
set(count 0)
foreach(line IN LISTS lines)
  if(line STREQUAL "")
    continue()
  endif()
  string(REGEX REPLACE "^[0-9a-f]* *[A-Za-z] " "" symbol "${line}")
  if(NOT symbol MATCHES "${prefix}nullspace::")
    message(SEND_ERROR "exported, but not ours: ${symbol}")
  elseif(symbol MATCHES "${prefix}nullspace::(v[0-9]+::)?(detail|wire|transport|ingress|support)::")
    message(SEND_ERROR "exported, but internal: ${symbol}")
  endif()
  math(EXPR count "${count} + 1")
endforeach()
if(count LESS 50)
  message(FATAL_ERROR "only ${count} exported symbols: the library cannot be used")
endif()
