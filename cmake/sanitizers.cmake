# NULLSPACE_SANITIZE names what -fsanitize= takes, for instance "address,undefined" or "thread".
function(nullspace_set_sanitizers target)
  if(NULLSPACE_SANITIZE)
    set(flags -fsanitize=${NULLSPACE_SANITIZE} -fno-omit-frame-pointer)
    if(NULLSPACE_SANITIZE MATCHES "undefined")
      list(APPEND flags -fno-sanitize-recover=undefined)
    endif()
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # The checks that instrumentation puts between a declaration and its use make gcc see uninitialised objects, in the
      # standard library's own constructors too; the other presets keep the warning.
      list(APPEND flags -Wno-maybe-uninitialized)
    endif()
    target_compile_options(${target} PRIVATE ${flags})
    # Object and static libraries hand the runtime on to whoever links them.
    target_link_options(${target} PUBLIC ${flags})
  endif()
endfunction()

# What the sanitizers' run-times are told when a test runs.
set(NULLSPACE_SANITIZER_ENVIRONMENT
  "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1"
  "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
  "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:die_after_fork=0")
