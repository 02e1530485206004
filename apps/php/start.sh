# SPDX-License-Identifier: GPL-2.0-only
# PHP in the background, nginx as the process that is asked to stop.
set -eu
php-fpm8.2 --nodaemonize --fpm-config /etc/php-fpm.conf &
while [ ! -S /run/php.sock ]; do sleep 0.1; done
exec nginx
