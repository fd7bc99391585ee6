# What `make install` puts where.

# `cmake --install --prefix` may choose another place than the one configured: the pkg-config file
# finds its prefix from where it lies.
file(RELATIVE_PATH SNUG_PC_UP /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" SNUG_PC_UP "${SNUG_PC_UP}")
configure_file(${PROJECT_SOURCE_DIR}/cmake/snug.pc.in ${PROJECT_BINARY_DIR}/snug.pc @ONLY)

install(TARGETS snug_static snug_shared
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/snug DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_BINARY_DIR}/snug.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
if(TARGET snug_program)
  install(TARGETS snug_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

if(SNUG_MESSAGES)
  install(DIRECTORY ${SNUG_MESSAGES}/ DESTINATION ${CMAKE_INSTALL_LOCALEDIR} FILES_MATCHING PATTERN "*.mo")
endif()

file(GLOB SNUG_MAN_PAGES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/doc/man/*.1)
install(FILES ${SNUG_MAN_PAGES} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

# A completion file carries its shell in its name: snug.bash, _snug for zsh, snug.fish.
set(SNUG_COMPLETIONS ${PROJECT_SOURCE_DIR}/doc/completions)
if(EXISTS ${SNUG_COMPLETIONS}/snug.bash)
  install(FILES ${SNUG_COMPLETIONS}/snug.bash RENAME snug
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endif()
if(EXISTS ${SNUG_COMPLETIONS}/_snug)
  install(FILES ${SNUG_COMPLETIONS}/_snug DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
endif()
if(EXISTS ${SNUG_COMPLETIONS}/snug.fish)
  install(FILES ${SNUG_COMPLETIONS}/snug.fish
    DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()
