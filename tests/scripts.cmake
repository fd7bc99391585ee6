# Tests that are not C programs, and the fuzz targets, which run over stored inputs.

find_package(Python3 COMPONENTS Interpreter)
find_program(BATS bats)

# Label lint: the tree's own rules, and a test of each rule.
if(Python3_Interpreter_FOUND)
  add_test(NAME tidy COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/tidy.py
                             --cc ${CMAKE_C_COMPILER})
  add_test(NAME tidy_rules COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/tidy_test.py)
  set_tests_properties(tidy tidy_rules PROPERTIES LABELS lint TIMEOUT 300)
endif()

# Label lint: what the catalogues of messages lack; skipped without gettext's tools.
if(Python3_Interpreter_FOUND)
  add_test(NAME messages COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/i18n.py check)
  set_tests_properties(messages PROPERTIES LABELS lint TIMEOUT 120 SKIP_RETURN_CODE 77)
endif()

# Label cli: one file of bats is one test, with the program in SNUG.
file(GLOB SNUG_BATS_TESTS CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cli/*.bats)
foreach(script ${SNUG_BATS_TESTS})
  get_filename_component(name ${script} NAME_WE)
  if(BATS)
    add_test(NAME cli_${name} COMMAND ${BATS} ${script}
             WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  else()
    add_test(NAME cli_${name} COMMAND ${CMAKE_COMMAND} -E echo "skipped: bats is not installed")
    set_tests_properties(cli_${name} PROPERTIES SKIP_REGULAR_EXPRESSION "skipped: bats")
  endif()
  set_tests_properties(cli_${name} PROPERTIES LABELS cli TIMEOUT 600
    ENVIRONMENT "SNUG=$<TARGET_FILE_DIR:snug_static>/snug;SNUG_SOURCE_DIR=${PROJECT_SOURCE_DIR};SNUG_COSTS=default")
endforeach()

# Every example of the documentation is run, in order, in an empty folder.
if(Python3_Interpreter_FOUND AND TARGET snug_program)
  add_test(NAME doc_examples
           COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/doc_examples.py
                   $<TARGET_FILE:snug_program> ${PROJECT_SOURCE_DIR}/doc/guide.md ${PROJECT_SOURCE_DIR}/doc/analyze.md
                   ${PROJECT_SOURCE_DIR}/doc/run.md ${PROJECT_SOURCE_DIR}/doc/experiments.md
                   ${PROJECT_SOURCE_DIR}/doc/monitor.md
                   ${PROJECT_SOURCE_DIR}/README.md)
  set_tests_properties(doc_examples PROPERTIES LABELS cli TIMEOUT 600
    ENVIRONMENT "SNUG_COSTS=default")
endif()

# Label memory: random configurations inside kernel limits; two minutes on two idle cores.
if(Python3_Interpreter_FOUND AND NOT SNUG_SANITIZE)
  add_test(NAME soak_budget
           COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/soak/budget
                   --snug $<TARGET_FILE_DIR:snug_static>/snug --count 100 --seed 1)
  set_tests_properties(soak_budget PROPERTIES LABELS memory TIMEOUT 1800)
endif()

option(SNUG_FUZZER "Link the fuzz targets with libFuzzer (clang)" OFF)
# Label fuzz: NAME_fuzz.c with the replay driver runs over tests/fixtures/NAME, over the data
# folder's formats/NAME where there is one, and over changes of both.
if(DEFINED ENV{SNUG_DATA_DIR})
  set(data_dir $ENV{SNUG_DATA_DIR})
else()
  set(data_dir ${PROJECT_SOURCE_DIR}/../shared/data)
endif()
file(GLOB SNUG_FUZZ_TARGETS CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/*_fuzz.c)
foreach(source ${SNUG_FUZZ_TARGETS})
  get_filename_component(target ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" name ${target})
  if(SNUG_FUZZER) # tools/fuzz.sh: clang's own driver instead of the replay.
    add_executable(${target} ${source})
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${target} ${source} ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/replay.c)
  endif()
  target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE snug_static)
  set(inputs "")
  foreach(folder ${CMAKE_CURRENT_SOURCE_DIR}/fixtures/${name} ${data_dir}/formats/${name})
    if(IS_DIRECTORY ${folder})
      list(APPEND inputs ${folder})
    endif()
  endforeach()
  if(inputs)
    add_test(NAME ${target} COMMAND ${target} --changes 20 ${inputs}
             WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
    set_tests_properties(${target} PROPERTIES LABELS fuzz TIMEOUT 600)
  else()
    message(STATUS "fuzz target ${target} has no stored inputs; it is built and not run")
  endif()
endforeach()
